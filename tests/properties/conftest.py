"""How properties are searched: a slow machine is no counterexample."""

from hypothesis import HealthCheck, settings

settings.register_profile("sekisho", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("sekisho")
