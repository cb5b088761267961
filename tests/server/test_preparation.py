"""The steps of a start that leave current results alone."""

from ciphercanary.server import static_files


def test_static_files_are_collected_again_only_after_a_change(settings, tmp_path):
    source, collected = tmp_path / "source" / "page.css", tmp_path / "static" / "page.css"
    source.parent.mkdir()
    source.write_text("a {}")
    settings.STATICFILES_FINDERS = ["django.contrib.staticfiles.finders.FileSystemFinder"]
    settings.STATICFILES_DIRS = [source.parent]
    settings.STATIC_ROOT = collected.parent
    static_files.collect()
    assert collected.read_text() == "a {}"
    collected.unlink()
    static_files.collect()
    assert not collected.exists()  # it did nothing
    source.write_text("b {color: red}")
    static_files.collect()
    assert collected.read_text() == "b {color: red}"
