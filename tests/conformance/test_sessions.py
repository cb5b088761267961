"""The reader and the runner of sessions, with commands of the shell."""

from conformance import sessions

SESSION = """\
GREETING = printf 'hello\\n'
    hello
test "$GREETING:$WHO" = hello:dora && printf 'a   b\\n'
    a b
fails false
"""
WRONG = """\
false
fails true
printf hello
    hello
    world
"""


def test_a_session_passes_if_each_step_ends_as_expected_with_its_texts(tmp_path):
    steps = sessions.read(SESSION)
    assert len(steps) == 3
    assert list(sessions.problems(steps, {"WHO": "dora"}, tmp_path)) == []


def test_each_wrong_step_of_a_session_is_a_problem(tmp_path):
    first, second, third = sessions.problems(sessions.read(WRONG), {}, tmp_path)
    assert first.startswith("false\n    exit 1")
    assert second.startswith("true\n    exit 0")
    assert "without ['world']: hello" in third


def test_every_recorded_session_can_be_read():
    for file in sessions.FOLDER.iterdir():
        assert len(sessions.read(file.read_text())) > 10, file.name
