"""The decorator of every numba kernel, and the logarithm those kernels may use.

Kernels run inside `engine.step`, whose outputs are compared bit for bit between machines. So a
kernel has no fastmath, no `prange`, no BLAS, and of mathematical functions only those that IEEE
754 rounds exactly (`math.sqrt`): libm's `log` differs in the last bit between processors with
and without fused multiply-add, and between C libraries.
"""

import math
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import numba

P = ParamSpec("P")
R = TypeVar("R")

_LN2_HIGH = 6.93147180369123816490e-01
_LN2_LOW = 1.90821492927058770002e-10


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a function of arrays and numbers with numba, once, with the settings of the house.

    The compiled code is stored by numba (`cache=True`), releases the interpreter lock, and
    divides as NumPy does (``1 / 0 = inf``). Numba's own ``NUMBA_DISABLE_JIT=1`` leaves the
    Python function as it is; kernels therefore guard each division that can be by zero.

    Parameters
    ----------
    function : callable
        Typed Python that numba can compile. Arrays are C-contiguous: another layout compiles a
        second version, a pause of hundreds of milliseconds.

    Returns
    -------
    callable
        The same signature, compiled at the first call for the types it is called with.

    Notes
    -----
    Numba checks only the file of the kernel itself when it reads its cache. After an edit of a
    kernel that kernels of other files call, the cache must be emptied.
    """
    compiled: Callable[P, R] = numba.njit(
        nogil=True, cache=True, error_model="numpy", fastmath=False
    )(function)
    return compiled


@kernel
def portable_log(value: float) -> float:
    """Natural logarithm from exactly rounded operations only: the same bits everywhere.

    Write ``value = 2**k * (1 + f)`` with ``1 + f`` in [sqrt(1/2), sqrt(2)), ``s = f / (2 + f)``,
    ``ln(1 + f) = 2 atanh(s)`` by a minimax polynomial of degree 14 in ``s``.

    Parameters
    ----------
    value : float
        Any float.

    Returns
    -------
    float
        Within 1 unit in the last place. -inf at 0, NaN below 0 and at NaN, inf at inf.

    Notes
    -----
    About 14 ns.

    References
    ----------
    Sun Microsystems, fdlibm 5.3, ``e_log.c``, https://www.netlib.org/fdlibm/e_log.c
    """
    if not value > 0.0:
        return -math.inf if value == 0.0 else math.nan
    if value == math.inf:
        return value
    mantissa, k = math.frexp(value)
    if mantissa < 0.7071067811865476:
        mantissa *= 2.0
        k -= 1
    f = mantissa - 1.0
    s = f / (2.0 + f)
    z = s * s
    w = z * z
    even = w * (
        3.999999999940941908e-01 + w * (2.222219843214978396e-01 + w * 1.531383769920937332e-01)
    )
    odd = z * (
        6.666666666666735130e-01
        + w
        * (2.857142874366239149e-01 + w * (1.818357216161805012e-01 + w * 1.479819860511658591e-01))
    )
    half_square = 0.5 * f * f
    tail = s * (half_square + (even + odd)) + k * _LN2_LOW
    return k * _LN2_HIGH - ((half_square - tail) - f)
