import assert from "node:assert/strict";
import { test } from "node:test";

import ko from "../../background/web/static/js/ko-runs.js";

/** As `sentence` of i18n.js does it. */
function korean(text) {
  for (const [pattern, translated] of ko["sentences.runs"]) {
    const found = pattern.exec(text);
    if (found) return translated.replace(/\$(\d)/g, (_, group) => found[group]);
  }
  return null;
}

// As tests/unit/test_verdict.py has them.
const VERDICTS = {
  "All 3 tasks succeeded.": "태스크 3개가 모두 성공했습니다.",
  "fail failed: RuntimeError: a. b. So xsum, the callback of its chord, did not run; add, multiply in the same header still ran. finalize never ran.":
    "실패: fail (RuntimeError: a. b). 그래서 코드의 콜백이 실행되지 않았습니다: xsum. 그 뒤도 실행되지 않았습니다: finalize. 같은 헤더에서 그대로 실행된 태스크: add, multiply",
  "fail (and 1 more) failed: RuntimeError: x. So xsum, the callback of its chord, did not run; add and 3 more in the same header still ran.":
    "실패: fail (RuntimeError: x). 그래서 코드의 콜백이 실행되지 않았습니다: xsum. 같은 헤더에서 그대로 실행된 태스크: add and 3 more",
  "fail failed: RuntimeError: x. So xsum, the callback of its chord, did not run. sleep still runs.":
    "실패: fail (RuntimeError: x). 그래서 코드의 콜백이 실행되지 않았습니다: xsum",
  "xsum failed: TypeError: no. echo, echo never ran.": "실패: xsum (TypeError: no). 실행되지 않은 태스크: echo, echo",
  "xsum failed: TypeError: no. echo (60 times), add never ran.":
    "실패: xsum (TypeError: no). 실행되지 않은 태스크: echo (60 times), add",
  "fail failed: RuntimeError: 1.5 is no file.": "실패: fail (RuntimeError: 1.5 is no file).",
  "Revoked: echo, echo never ran; 1 of 3 tasks were done.":
    "취소됨. 실행되지 않은 태스크: echo, echo. 태스크 3개 중 1개 완료.",
  "Running since 08:13:34 UTC: sleep; 4 of 8 tasks are done.":
    "08:13:34(UTC)부터 실행 중: sleep. 태스크 8개 중 4개 완료.",
};

test("verdicts are said in Korean", () => {
  for (const [english, wanted] of Object.entries(VERDICTS)) assert.equal(korean(english), wanted);
});
