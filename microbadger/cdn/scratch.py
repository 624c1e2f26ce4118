from dataclasses import dataclass


@dataclass
class PurgeStatus:
    waiting: int = 0
    error: str|None = None
    next_try_at: object = None
class Cdn:
    def __init__(self, target, network, *, base_url): self.target = target
    def add(self, paths): pass
    def wait(self): pass
    def status(self): return PurgeStatus()
