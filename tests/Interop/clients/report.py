"""Runs the test functions of one family, each within a limit, and prints one line for each."""
import asyncio
import sys
import traceback

TEST_LIMIT = 60   # seconds; the waits inside a test are shorter and say what they waited for


class Failure(Exception):
    """A check that did not hold, told in words."""


def check(holds, otherwise):
    if not holds:
        raise Failure(otherwise)


async def run(family, tests, new_world):
    failed = 0
    for test in tests:
        name = f"{family}/{test.__name__}"
        if sys.argv[1:] and not any(name.startswith(wanted) for wanted in sys.argv[1:]):
            continue
        why = None
        world = new_world()
        try:
            await asyncio.wait_for(test(world), TEST_LIMIT)
        except Failure as failure:
            why = str(failure)
        except asyncio.TimeoutError:
            why = f"not done within {TEST_LIMIT} s"
        except Exception as error:
            line = next(f.lineno for f in traceback.extract_tb(error.__traceback__) if f.name == test.__name__)
            why = f"{type(error).__name__} in line {line}: {error}"
        finally:
            await world.close()
        print(f"FAILED {name}: {' '.join(why.split())}" if why else f"ok {name}", flush=True)
        failed += why is not None
    return failed
