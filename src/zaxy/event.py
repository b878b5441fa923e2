"""The log by itself: ``from zaxy.event import EventLog``."""

from zaxy.eventloom.event import Draft, Event
from zaxy.eventloom.log import EventLog
from zaxy.eventloom.verification import Finding, IntegrityReport

__all__ = ["Draft", "Event", "EventLog", "Finding", "IntegrityReport"]
