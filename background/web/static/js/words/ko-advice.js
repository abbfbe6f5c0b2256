// 무엇을 하면 되는지; part of `ko.js`. Keys are the same as in `en-advice.js`.
export default {
  "advice.title": "이렇게 하세요",
  "advice.more": "Celery 문서",
  "lesson.example": "예제: {name}",
  "lesson.expected": "흔한 기대",
  "lesson.truth": "실제와 그 이유",

  "advice.no_worker": "워커를 시작하세요: python -m background worker. 그동안 잃는 것은 없습니다.",
  "advice.broker_down": "Redis를 다시 시작하거나 로그를 확인하세요. 여기 저장된 것은 자동으로 이어집니다.",
  "advice.waiting_for_worker": "기다리거나 워커를 더 시작하세요. 모두 같은 큐에서 가져갑니다.",
  "advice.due_later": "그때까지 기다리거나, 취소하고 카운트다운 없이 복사해서 실행하세요.",
  "advice.waiting_in_queue": "그 큐를 맡는 워커를 시작하거나(-Q), 큐를 지정하지 않고 복사해서 실행하세요.",
  "advice.running": "할 일이 없습니다. 실행 중입니다. 취소하면 시작하지 않은 것은 실행되지 않습니다.",
  "advice.retrying": "기다리세요. 다음 시도는 자동으로 시작됩니다. 저절로 해결될 오류가 아니면 실행을 취소하세요.",
  "advice.worker_silent":
    "그 워커가 살아 있는지 확인하세요. 죽었다면 몇 초 안에 유실로 끝나고, 그 뒤 재시도할 수 있습니다.",
  "advice.unfinished":
    "아직 실행 중인 것이 끝나기를 기다리거나 실행을 취소하세요. 모두 끝나면 재시도할 수 있고, 성공하지 못한 것만 다시 실행합니다.",
  "advice.failed": "오류의 원인을 고친 뒤 재시도하세요. 성공하지 못한 것만 다시 실행합니다.",
  "advice.chain_stopped":
    "오류의 원인을 고친 뒤 재시도하세요. 실패한 단계부터 이어집니다. 오류를 알림받으려면 체인에 오류 콜백을 다세요.",
  "advice.chain_stopped.called": "오류의 원인을 고친 뒤 재시도하세요. 실패한 단계부터 이어집니다.",
  "advice.callback_skipped":
    "오류의 원인을 고친 뒤 재시도하세요. 헤더의 결과는 남아 있고, 모두 모이면 본문이 실행됩니다. 어떤 경우에도 본문을 실행하려면 헤더 태스크가 오류를 잡아서 값으로 반환해야 합니다.",
  "advice.lost":
    "재시도하세요. 성공하지 못한 것만 다시 실행합니다. 이런 일을 견디려면 두 번 실행해도 안전한 태스크여야 합니다.",
  "advice.cancelled": "실행 중인 것을 기다리세요. 그 뒤 재시도하면 실행되지 않은 것이 실행됩니다.",
  "advice.revoked": "실수였다면 재시도하세요. 실행되지 않은 것을 새 ID로 실행합니다.",
  "advice.killed": "재시도하세요. 종료된 것과 그것을 기다리던 것만 다시 실행하고, 다른 결과는 남깁니다.",
  "advice.expired": "expires를 늘리거나 워커를 늘려 제때 가져가게 한 뒤 다시 실행하세요.",
  "advice.ignored":
    "다른 태스크가 기다리는 태스크는 Ignore 예외를 발생시키면 안 됩니다. 값을 반환하거나 실패하게 하세요.",
  "advice.rejected":
    "다른 태스크가 기다리는 태스크는 Reject 예외를 발생시키면 안 됩니다. 값을 반환하거나, 실패하거나, 재시도하게 하세요.",
  "advice.callback_unneeded": "할 일이 없습니다. 오류가 날 때만 필요한 것입니다.",
  "advice.results_expired":
    "할 일이 없습니다. 기록은 남습니다. Celery 결과를 더 오래 두려면 result_expires를 설정하세요.",

  "waiting.advice.not_due": "기다리거나, 취소하고 지연 없이 다시 제출하세요.",
  "waiting.advice.pausing":
    "기다리세요. 자동으로 다시 시도합니다. 허용된 실패를 다 쓰면 실패로 끝나고, 그때 재시도할 수 있습니다.",
  "waiting.advice.retry_later":
    "기다리세요. 단계가 무언가를 기다리는 중이며, 워커를 차지하지 않고 실패로 세지 않습니다.",
  "waiting.advice.no_worker": "워커를 시작하세요: python -m background worker",
  "waiting.advice.no_worker_serves_queue": "-Q 옵션에 이 큐를 지정해 워커를 시작하세요.",
  "waiting.advice.no_worker_has_pipeline": "이 파이프라인의 모듈이 PIPELINES에 있는 워커를 시작하세요.",
  "waiting.advice.no_worker_has_step":
    '이 단계가 있는 버전의 워커를 시작하거나, 취소하고 "replan": true로 재시도하세요.',
  "waiting.advice.params_refused":
    "이 매개변수를 받는 버전의 워커를 시작하거나, 취소하고 다른 매개변수로 재시도하세요.",
  "waiting.advice.broker_down": "Redis를 다시 시작하세요. 작업은 PostgreSQL에 안전하게 있고 자동으로 이어집니다.",
  "waiting.advice.being_published": "할 일이 없습니다. 잠깐이면 됩니다.",
  "waiting.advice.on_its_way": "할 일이 없습니다. 잠깐이면 됩니다.",
  "waiting.advice.queue_paused": "시스템 화면에서, 또는 PATCH /queues에 paused: false를 보내 큐를 재개하세요.",
  "waiting.advice.pipeline_paused":
    "파이프라인 화면에서, 또는 PATCH /pipelines에 paused: false를 보내 파이프라인을 재개하세요.",
  "waiting.advice.concurrency_limit":
    "하나가 끝나기를 기다리거나 제한을 늘리세요. 큐의 제한은 시스템 화면에서 바꿉니다.",
  "waiting.advice.rate_limit": "시간이 지나기를 기다리거나 제한을 늘리세요. 큐의 제한은 시스템 화면에서 바꿉니다.",
  "waiting.advice.no_free_worker": "기다리거나 워커를 더 시작하세요. 우선순위가 높은 작업이 먼저입니다.",

  "warning.advice.group-becomes-chord": "결과마다 한 번씩 실행하려면 멤버마다 체인으로 만드세요.",
  "warning.advice.group-of-one": "하나짜리 목록이 필요하면 그 태스크를 헤더로 하는 chord를 쓰세요.",
  "warning.advice.header-of-one": "본문이 값 자체를 원하면 체인을 쓰세요.",
  "warning.advice.nested-group": "목록을 나누려면 chord의 본문이 안쪽 그룹을 모으게 하세요.",
  "warning.advice.nested-group-reversed": "멤버를 나란히 적거나, 순서에 기대지 마세요.",
  "warning.advice.group-ends-member": "멤버를 태스크 하나로 끝내거나, 본문이 중첩된 목록을 받게 하세요.",
  "warning.advice.header-failure":
    "어떤 경우에도 본문을 실행하려면 헤더 태스크가 오류를 잡아서 값으로 반환하게 하세요.",
  "warning.advice.ignored-header": "헤더의 결과는 무시하지 마세요.",
  "warning.advice.group-link": "‘모두 끝나면’에는 chord를 쓰세요.",
  "warning.advice.group-link-error": "한 번만 호출하려면 오류 콜백을 chord의 본문에 다세요.",
  "warning.advice.immutable": "앞의 결과를 받아야 한다면 불변을 빼세요. map과 chunks는 받을 수 없습니다.",
  "warning.advice.ignored-result": "누군가 Celery에 ID로 결과를 묻는다면 결과를 남기세요.",
  "warning.advice.countdown": "더 오래 기다리려면 지연을 준 작업을 쓰세요. PostgreSQL에서 기다립니다.",
  "warning.advice.list-to-one": "사이에 목록을 받는 태스크를 넣으세요. 예: xsum",
  "warning.advice.message-size": "그룹을 줄이거나, 데이터 대신 이름을 넘기세요.",
  "warning.advice.body-errback": "오류 콜백이 어느 태스크의 오류인지 확인하게 하세요.",
  "warning.advice.queue": "실행하기 전에 그런 워커를 시작하세요.",
  "warning.advice.time-limit": "시간 제한이 중요하면 기본 풀을 그대로 쓰세요.",
  "warning.advice.one-task": "여러 워커가 나누려면 그룹이나 chunks를 쓰세요.",
  "warning.advice.repeated": "그룹과 다음 태스크를 chord로 만들거나, 태스크를 멤버마다 넣으세요.",
};
