"""The directory's versions as an auditor kept them, if the newest goes on from all the others.

Every version carries every key set there ever was, each signed by the one before, so the newest
tells the keys of every time. The older ones are there to be contradicted: a core that enrolled
somebody anew, or signed one version twice, shows. And they tell who was a witness in their time.
"""

from collections.abc import Iterable

from certs.directory import Directory
from certs.errors import DirectoryError
from certs.roots import Root


def read_history(raws: Iterable[bytes], *, root: Root) -> list[Directory]:
    """Return these directory documents, the newest last, all verified down to the pinned root.

    Raises:
        CertsError: as `Directory.parse_archived`; `no-directory` if there is none,
            `directory-fork` if two are of one version and differ, `re-enrolled` if an
            organisation's key sets do not go on from those of an older version.
    """
    versions = [Directory.parse_archived(raw, root=root) for raw in raws]
    versions.sort(key=lambda directory: directory.version)
    if not versions:
        raise DirectoryError("no-directory", "history")
    newest = versions[-1]
    for older in versions:
        if older.version == newest.version and older.digest != newest.digest:
            raise DirectoryError("directory-fork", f"version {older.version}")
        for name, organisation in older.organisations.items():
            known = organisation.key_sets
            if newest.organisation(name).key_sets[: len(known)] != known:
                raise DirectoryError("re-enrolled", name)
    return versions
