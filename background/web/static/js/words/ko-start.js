// 시작 화면; part of `ko.js`. Keys are the same as in `en-start.js`.
export default {
  "section.start": "시작",
  "keys.start": "시작 화면",
  "start.link": "둘러보기",
  "start.what":
    "Celery에 일을 맡기고 그 과정을 지켜보는 곳입니다. 작업은 PostgreSQL에 보관되며, 실행하던 워커가 죽어도 반드시 완료, 실패, 취소 중 하나로 끝납니다. 캔버스는 태스크를 엮은 것으로, Celery가 실제로 무엇을 만드는지, 왜 기대와 다르게 동작했는지를 볼 수 있습니다.",
  "start.picture": "작업이 처리되는 과정과 현재 수치",
  "start.api.up": "응답 중",
  "start.api.down": "응답 없음",
  "start.database.down": "응답 없음",
  "start.queue": { other: "대기 중인 메시지" },
  "start.queue.unknown": "브로커 응답 없음",
  "start.workers": { other: "살아 있음" },
  "start.kept": { other: "보관된 작업" },
  "start.try": "해 볼 것 네 가지",
  "start.job": "작업 실행하기",
  "start.job.how": "몇 초씩 걸리는 단계 세 개입니다. 차례로 채워지는 모습과 각 단계의 결과를 볼 수 있습니다.",
  "start.job.do": "실행",
  "start.chord": "chord 망가뜨리기",
  "start.chord.how":
    "덧셈과 곱셈, 10초짜리 태스크, 그리고 셋을 모두 기다리는 콜백입니다. 실행 중인 것을 종료하고, 콜백이 어떻게 되는지 보고, 재시도하세요.",
  "start.chord.do": "시작",
  "start.chord.other": "또는 헤더가 스스로 실패하는 chord",
  "start.kill": "워커 죽이기",
  "start.kill.how":
    "1분짜리 작업을 시작하고 터미널에서 워커를 죽이세요. 리스가 만료되면(LEASE_SECONDS를 바꾸지 않았다면 15초) 살아 있는 워커가 끝나지 않은 단계부터 이어서 실행합니다.",
  "start.kill.do": "작업 시작",
  "start.kill.here": "워커 {name} ({host}):",
  "start.kill.up":
    "`run.py up`으로 시작했다면 자동으로 다시 시작됩니다. 아니면 직접 시작하세요: `python -m background worker`",
  "start.kill.compose":
    "Docker Compose에서는 `docker compose kill worker`, 그다음 `docker compose up -d` 명령을 쓰세요.",
  "start.kill.none": "살아 있는 워커가 없습니다. 시작하세요:",
  "start.report": "보고서 읽기",
  "start.report.how": "저장된 모든 문서에 대한 chord입니다. 문서를 병렬로 읽어 분석하고, 콜백 하나가 보고서를 씁니다.",
  "start.report.do": { other: "문서 {n}개의 보고서" },
  "start.report.none": "먼저 문서를 저장하세요",
  "start.report.samples": "background/documents/samples에 예제 파일이 있습니다.",
  "start.words": "여기서 쓰는 용어",

  "example.killed-header": "종료되는 헤더 태스크",
  "example.killed-header.expected": "다른 결과만으로 콜백이 실행되거나, 종료된 태스크가 자동으로 다시 시작된다.",
  "example.killed-header.truth":
    "종료된 태스크는 취소된 것입니다. 아무도 다시 시도하지 않으므로 콜백은 실행되지 않습니다. 다른 결과는 재시도를 위해 남습니다.",
};
