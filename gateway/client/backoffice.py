"""One gateway as a back-office system sees it: all calls in one class."""

from gateway.client.codes import CodeCalls
from gateway.client.inquiries import InquiryCalls
from gateway.client.measures import MeasureCalls
from gateway.client.replicas import ReplicaCalls


class BackofficeClient(InquiryCalls, CodeCalls, ReplicaCalls, MeasureCalls):
    """A signed-in back-office system; use it as an async context manager."""
