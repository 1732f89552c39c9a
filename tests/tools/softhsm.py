"""SoftHSM for tests: a real PKCS#11 module with tokens in folders of their own."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from certs.master_token import TokenPlace
from tests.tools.tree import ROOT

TOOLS: Final = ROOT / ".tools" / "softhsm"
PIN: Final = "482913"
KEY: Final = "sekisho-master"
CONFIG_VARIABLE: Final = "SOFTHSM2_CONF"
_SO_PIN: Final = "9150276384"
_INSTALLED: Final = Path("/usr")
_MISSING: Final = (
    "SoftHSM is not here: `make setup` lays it into .tools without root; where that cannot be,"
    " install the package softhsm2"
)


def softhsm_module() -> Path:
    """Return the shared library, fetched or installed; a test that needs it fails without."""
    return _found("lib/softhsm/libsofthsm2.so", "lib/*/softhsm/libsofthsm2.so")


def _found(*patterns: str) -> Path:
    for root in (TOOLS / "usr", _INSTALLED):
        for pattern in patterns:
            for path in root.glob(pattern):
                return path
    raise AssertionError(_MISSING)


@dataclass(frozen=True, slots=True)
class SoftToken:
    """One token in a folder; a process sees it when the environment names the configuration."""

    folder: Path
    label: str = "sekisho-test"

    @property
    def configuration(self) -> Path:
        return self.folder / "softhsm2.conf"

    @property
    def environment(self) -> dict[str, str]:
        return {CONFIG_VARIABLE: str(self.configuration)}

    def make(self) -> "SoftToken":
        """Lay an empty token with a PIN into the folder."""
        tokens = self.folder / "tokens"
        tokens.mkdir(parents=True)
        self.configuration.write_text(f"directories.tokendir = {tokens}\nlog.level = ERROR\n")
        subprocess.run(
            [
                *(_found("bin/softhsm2-util"), "--module", softhsm_module(), "--init-token"),
                *("--free", "--label", self.label, "--pin", PIN, "--so-pin", _SO_PIN),
            ],
            env={**os.environ, **self.environment},
            check=True,
            capture_output=True,
        )
        return self

    def place(self, *, key: str = KEY, pin_file: Path | None = None) -> TokenPlace:
        return TokenPlace(module=softhsm_module(), token=self.label, key=key, pin_file=pin_file)
