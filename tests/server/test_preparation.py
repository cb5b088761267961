"""The steps of a start that leave current results alone."""

from ciphercanary.server import static_files


def test_static_files_are_collected_again_only_after_a_change_or_a_power_failure(settings, tmp_path):
    source, collected = tmp_path / "source" / "page.css", tmp_path / "static" / "page.css"
    source.parent.mkdir()
    source.write_text("a {}")
    settings.STATICFILES_FINDERS = ["django.contrib.staticfiles.finders.FileSystemFinder"]
    settings.STATICFILES_DIRS = [source.parent]
    settings.STATIC_ROOT = collected.parent
    static_files.collect()
    assert collected.read_text() == "a {}"
    collected.write_text("x {}")  # of the same size
    static_files.collect()
    assert collected.read_text() == "x {}"  # it did nothing
    collected.write_text("")
    static_files.collect()
    assert collected.read_text() == "a {}"
    source.write_text("b {color: red}")
    static_files.collect()
    assert collected.read_text() == "b {color: red}"
