"""Figures of known texts."""

import re
import time
import tracemalloc

import pytest

from background.documents.analysis import analyze, count_sentences, find_words
from background.documents.figures import Analysis, Keyword
from tests.support import ROOT

ENGLISH = """Work in a queue

Dr. Smith's queue holds 3.14 tasks, e.g. retries. Does a worker take a task? It's well-known... yes!

1. Write the task. 2. Queue the task."""

KOREAN = """작업 큐

작업자는 큐에서 작업을 꺼낸다. 큐가 비면 작업자가 기다려요! API를 호출하면 API는 작업을 큐에 넣는다.그리고 끝난다."""


def test_an_english_text() -> None:
    assert analyze(ENGLISH, title="Work in a queue") == Analysis(
        title="Work in a queue",
        characters=156,
        words=30,
        sentences=6,
        paragraphs=3,
        language="en",
        keywords=[
            Keyword(word=word, count=count)
            for word, count in [
                ("queue", 3),
                ("task", 3),
                ("dr", 1),
                ("smith", 1),
                ("holds", 1),
                ("tasks", 1),
                ("retries", 1),
                ("worker", 1),
                ("well-known", 1),
                ("write", 1),
            ]
        ],
        reading_seconds=8,  # 30 words at 238 a minute
    )


def test_a_korean_text() -> None:
    analysis = analyze(KOREAN, title=None)
    assert (analysis.characters, analysis.words, analysis.sentences, analysis.paragraphs) == (75, 18, 4, 2)
    assert analysis.language == "ko"
    assert analysis.keywords == [
        Keyword(word="큐", count=4),
        Keyword(word="작업", count=3),
        Keyword(word="작업자", count=2),
        Keyword(word="api", count=2),
        Keyword(word="비면", count=1),
    ]
    assert analysis.reading_seconds == 6  # 18 words at 202 a minute


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The queue holds the work until a worker takes it.", "en"),
        ("Die Warteschlange hält die Arbeit, bis ein Arbeiter sie nimmt.", "de"),
        ("La file garde le travail jusqu'à ce qu'un ouvrier le prenne.", "fr"),
        ("La cola guarda el trabajo hasta que un trabajador lo toma.", "es"),
        ("La coda conserva il lavoro finché un operaio non lo prende.", "it"),
        ("A fila guarda o trabalho até que um trabalhador o pegue.", "pt"),
        ("De wachtrij bewaart het werk totdat een werker het oppakt.", "nl"),
        ("작업자는 Redis 큐에서 task를 꺼낸다.", "ko"),
        ("悠久한 歷史와 傳統에 빛나는 우리 大韓國民은 3·1運動으로 建立된 大韓民國臨時政府의 法統과", "ko"),
        ("队列保存等待执行的任务。", "zh"),
        ("韩国总统府青瓦台(청와대)今天宣布,将在首尔(서울)举行会议,讨论经济政策和就业问题。", "zh"),
        ("キューは仕事を待たせる場所です。", "ja"),
        ("Очередь хранит работу.", "ru"),
        ("Черга зберігає роботу.", "uk"),
        ("\u0397 ουρά κρατά τις εργασίες.", "el"),
        ("Hello world", "und"),
        ("a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a-a", "und"),
        ("Fronta drží práci, dokud si ji nějaký pracovník nevezme. Pak je práce hotová.", "cs"),
        ("Køen holder på arbejdet, indtil en arbejder tager det. Så er arbejdet gjort.", "da"),
        ("Kön håller arbetet tills en arbetare tar det. Sedan är arbetet gjort.", "sv"),
        ("Hàng đợi giữ công việc cho đến khi một công nhân nhận nó.", "vi"),
        ("La cua guarda la feina fins que un treballador la pren. Després la feina està feta.", "ca"),
        ("Coada păstrează munca până când un lucrător o preia.", "ro"),
        ("Опашката пази работата, докато работник я вземе.", "bg"),
        ("12 34 !!", "und"),
        ("", "und"),
    ],
)
def test_the_language(text: str, language: str) -> None:
    assert analyze(text, title=None).language == language


def test_nothing_is_said_about_the_language_of_doubtful_characters() -> None:
    text = "Kön håller arbetet tills en arbetare tar det. Sedan är arbetet gjort."
    assert analyze(text, title=None, sure=False).language == "und"


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("One. Two! Three?", 3),
        ("J. Smith came from the U.S. on Monday.", 1),
        ("Mr. and Mrs. Kim met Dr. Lee on Mt. Halla. Prior, at St. Ives, Ms. Park.", 2),
        ("Pi is 3.14. It is 1.5 times 2.09.", 2),
        ("Wait... what? Wait… What?", 3),
        ('"Why?" he asked. "No." She left.', 3),
        ("완료했다. 끝났어요. 왜일까요?", 3),
        ("任务失败。重试\uff01成功\uff1f", 3),
        ("「終わり。」と言った。", 2),
        ("Install it with app.use(...), then go on. Is that all? (It is.) Good!", 4),
        ('{"a": "./b.js"}', 1),
        ("Say it to Who. It is at 3 p.m. or later, etc. as ever.", 2),
        ("12", 1),
        ("no full stop", 1),
        ("... !!! ???", 0),
    ],
)
def test_sentences(text: str, count: int) -> None:
    assert count_sentences(text)[0] == count


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("don't well-known 3.14 1,000 snake_case", ["don't", "well-known", "3.14", "1,000", "snake", "case"]),
        ("작업자가 API를 쓴다", ["작업자가", "API를", "쓴다"]),
        ("队列 retry", ["队", "列", "retry"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("e\u0301te\u0301 🙂 --", ["e\u0301te\u0301"]),
        ("했다.그리고", ["했다", "그리고"]),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    assert list(find_words(text)) == words


def test_particles_that_stand_alone_are_no_keywords() -> None:
    assert [each.word for each in analyze("`x` 는 작업, `y` 는 작업, `z` 는 작업", title=None).keywords] == ["작업"]


@pytest.mark.parametrize("noun", ["고양이", "회의", "결과", "효과", "나이"])
def test_a_noun_that_ends_like_a_particle_stays_whole(noun: str) -> None:
    analysis = analyze(f"{noun} {noun}를 {noun}는 {noun}에서", title=None)
    assert analysis.keywords == [Keyword(word=noun, count=4)]


@pytest.mark.parametrize(
    "text",
    [
        "a" * 2_000_000,
        "! " * 500_000,
        "!" * 2_000_000 + "x",
        "1. " * 300_000,
        "Dr. " * 200_000,
        "\n " * 1_000_000 + "x",
        "큐를 " * 300_000,
        "队" * 500_000,
        "a-" * 500_000,
        "a." * 500_000,
        "\u0301" * 1_000_000,
    ],
    ids=lambda text: ascii(text[:4]),
)
def test_time_grows_no_faster_than_the_text(text: str) -> None:
    started = time.process_time()
    analyze(text, title=None)
    assert time.process_time() - started < 15


def test_memory_does_not_grow_with_the_number_of_different_words() -> None:
    text = "queue " * 50_000 + " ".join(f"w{number:x}" for number in range(300_000))
    tracemalloc.start()
    analysis = analyze(text, title=None)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 30_000_000
    assert (analysis.words, analysis.keywords[0]) == (350_000, Keyword(word="queue", count=50_000))


def test_no_expression_repeats_a_group_possessively() -> None:
    """Before Python 3.11.5 that may never end, or match what it should not (python/cpython#101955, #106052)."""
    possessive = re.compile(r"\)(?:[*+?]|\{[\d,]*\})\+|\(\?>")
    sources = [path for path in (ROOT / "background").glob("**/*.py") if possessive.search(path.read_text("utf-8"))]
    assert not sources
