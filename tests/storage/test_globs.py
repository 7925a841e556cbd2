from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from storage.globs import PathFilter

CASES = [
    ("*.jpg", "a.jpg", True),
    ("*.jpg", "x/y/a.JPG", True),
    ("*.jpg", "a.jpg.txt", False),
    ("*.jpg", "a.jpg/b.txt", False),
    ("/*.jpg", "a.jpg", True),
    ("/*.jpg", "x/a.jpg", False),
    ("1923/*.jpg", "1923/a.jpg", True),
    ("1923/*.jpg", "1923/x/a.jpg", False),
    ("1923/*.jpg", "x/1923/a.jpg", False),
    ("1923/**", "1923/a/b/c.jpg", True),
    ("1923/**", "1923", False),
    ("1923/", "1923/a/b.jpg", True),
    ("1923/", "x/1923/a.jpg", False),
    ("**/private/**", "private/a", True),
    ("**/private/**", "a/b/private/c/d", True),
    ("**/private/**", "a/nonprivate/c", False),
    ("a/**/b.jpg", "a/b.jpg", True),
    ("a/**/**/b.jpg", "a/x/y/b.jpg", True),
    ("a/**/b.jpg", "a/xb.jpg", False),
    ("**", "any/thing", True),
    ("**/*", "top", True),
    ("?.jpg", "é.jpg", True),
    ("?.jpg", "ab.jpg", False),
    ("a?b", "a/b", False),
    ("scan[0-9][!a-c].tif", "scan7d.tif", True),
    ("scan[0-9][!a-c].tif", "scan7B.tif", False),
    ("[]x].jpg", "].jpg", True),
    ("[!]].jpg", "a.jpg", True),
    ("[z-a].jpg", "m.jpg", False),
    ("[^a].jpg", "^.jpg", True),
    ("[[]a.jpg", "[a.jpg", True),
    ("a+(b).jpg", "a+(b).jpg", True),
    ("a\\d", "a\\d", True),
    ("caf\u00e9*", "cafe\u0301.jpg", True),
    ("\u00c9T\u00c9/*", "\u00e9t\u00e9/a.jpg", True),
    ("a*", "a\nb.jpg", True),
    ("a**b", "a/b", False),
    ("a**b", "axxb", True),
]


@pytest.mark.parametrize(("pattern", "path", "matches"), CASES)
def test_semantics(pattern, path, matches):
    assert PathFilter([pattern]).admits(path) is matches
    assert PathFilter([], [pattern]).admits(path) is not matches


def test_exclude_wins_and_nothing_means_everything():
    assert PathFilter().admits("a/b")
    assert PathFilter().enters("a/b")
    chosen = PathFilter(["*.jpg", "*.tif"], ["*-copy.*"])
    assert chosen.admits("a.tif")
    assert not chosen.admits("a-copy.tif")
    assert not chosen.admits("a.png")


@pytest.mark.parametrize("pattern", ["", "/", "//"])
def test_an_empty_pattern_is_an_error(pattern):
    with pytest.raises(ValueError, match="empty"):
        PathFilter([pattern])


@pytest.mark.parametrize(
    ("pattern", "word"),
    [("[a.jpg", "not closed"), ("a[/]b", "not closed"), ("a/[!]", "not closed"),
     ("../a/*", "'..'"), ("./a.jpg", "'.'"), ("a/./b", "'.'")],
)  # fmt: skip
def test_a_pattern_that_matches_nothing_is_an_error(pattern, word):
    for patterns in (([pattern], []), ([], [pattern])):
        with pytest.raises(ValueError, match=word):
            PathFilter(*patterns)


@pytest.mark.parametrize(
    ("include", "exclude", "folder", "enters"),
    [
        ([], ["private/**"], "private", False),
        ([], ["private/**"], "private/x", False),
        ([], ["private/*"], "private", True),
        ([], ["**/raw/**"], "a/b/RAW", False),
        ([], ["*.jpg"], "x.jpg", True),
        (["1923/box/**"], [], "1923", True),
        (["1923/box/**"], [], "1923/box/x", True),
        (["1923/box/**"], [], "1924", False),
        (["1923/*.jpg", "*.tif"], [], "1924", True),
    ],
)
def test_which_folders_are_entered(include, exclude, folder, enters):
    assert PathFilter(include, exclude).enters(folder) is enters


TEXT = st.text(st.sampled_from("ab*?[]!-/^\\.é"), min_size=1, max_size=8)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(pattern=TEXT.filter(lambda p: p.strip("/")), path=TEXT.filter(lambda p: p.strip("/")))
def test_a_pruned_folder_holds_nothing_that_is_chosen(pattern, path):
    parts = [part for part in path.split("/") if part]
    clean = "/".join(parts)
    try:
        PathFilter([pattern])
    except ValueError:
        assume(False)  # it is refused
    folders = ["/".join(parts[:n]) for n in range(1, len(parts))]
    for chosen in (PathFilter([pattern]), PathFilter([], [pattern])):
        if not all(chosen.enters(folder) for folder in folders):
            assert not chosen.admits(clean)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(name=st.text(st.characters(exclude_characters="/\0*?["), min_size=1, max_size=10))
def test_a_plain_name_matches_itself(name):
    assert PathFilter([name]).admits(f"folder/{name}")
    assert not PathFilter([name]).admits(f"folder/{name}x")
