"""The environment of programs that tests run beside themselves."""

import os


def with_devices(count: int) -> dict[str, str]:
    """Returns an environment in which JAX makes so many devices of one CPU.

    What counts there is that programs agree, so they are compiled without optimization.
    """
    flags = f"--xla_force_host_platform_device_count={count} --xla_backend_optimization_level=0"
    return os.environ | {"XLA_FLAGS": f"{os.environ.get('XLA_FLAGS', '')} {flags}", "JAX_PLATFORMS": "cpu"}
