"""The one error of the record log: a refusal with a stable reason."""


class RecordsError(Exception):
    """Something of the log is malformed, unproved or contradicts itself.

    `reason` is a stable slug; `detail` is for operators and holds nothing personal.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail
