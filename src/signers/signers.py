"""Who signs, and how each source films: all data."""

from dataclasses import replace

from signers.scene import Backdrop, Brows, Camera, Clothes, Light, Locks, Signer, Studio, Style

SOFT = Light(
    (0.34, 0.34, 0.36), (((-0.35, -0.8, 0.5), (0.62, 0.61, 0.58)), ((0.8, -0.55, 0.2), (0.28, 0.29, 0.31))), 0.18
)
WARM = Light(
    (0.30, 0.28, 0.24), (((0.55, -0.7, 0.5), (0.86, 0.76, 0.62)), ((-0.9, -0.3, 0.2), (0.12, 0.14, 0.18))), 0.3
)
HARD = Light((0.26, 0.27, 0.30), (((-0.7, -0.55, 0.5), (0.95, 0.95, 0.95)), ((0.9, 0.2, 0.4), (0.25, 0.25, 0.3))), 0.15)
OFFICE = Light(
    (0.38, 0.40, 0.40), (((0.1, -0.6, 0.9), (0.62, 0.66, 0.62)), ((-0.8, -0.55, 0.1), (0.16, 0.16, 0.18))), 0.2
)

SIGNERS = {
    "SIGNER-1": Signer(
        "SIGNER-1",
        skin=(0.62, 0.36, 0.26),
        lips=(0.46, 0.13, 0.12),
        hair=(0.045, 0.022, 0.012),
        iris=(0.10, 0.055, 0.02),
        brows=Brows(0.0032),
        hairline="low",
        cap=0.016,
        clothes=Clothes((0.02, 0.02, 0.024), neck=0.105),
        locks=Locks(0.17, 0.020, sweep=150, open=62, flare=0.10),
    ),
    "SIGNER-2": Signer(
        "SIGNER-2",
        skin=(0.66, 0.40, 0.30),
        lips=(0.50, 0.22, 0.19),
        hair=(0.16, 0.14, 0.13),
        iris=(0.10, 0.19, 0.26),
        brows=Brows(0.0046),
        hairline="receding",
        cap=0.007,
        beard=0.75,
        clothes=Clothes((0.055, 0.10, 0.22), sleeve=0.44, neck=0.085, v_neck=0.03),
    ),
    "SIGNER-3": Signer(
        "SIGNER-3",
        skin=(0.20, 0.095, 0.052),
        lips=(0.22, 0.08, 0.07),
        hair=(0.008, 0.006, 0.006),
        iris=(0.045, 0.02, 0.01),
        brows=Brows(0.0042),
        hairline="high",
        cap=0.012,
        blush=0.3,
        clothes=Clothes((0.012, 0.016, 0.035), sleeve=0.31, neck=0.09),
    ),
    "SIGNER-4": Signer(
        "SIGNER-4",
        skin=(0.68, 0.42, 0.31),
        lips=(0.55, 0.17, 0.16),
        hair=(0.26, 0.10, 0.035),
        iris=(0.10, 0.13, 0.05),
        brows=Brows(0.0030),
        hairline="low",
        cap=0.013,
        freckles=0.35,
        clothes=Clothes((0.32, 0.03, 0.05)),
        locks=Locks(0.05, 0.017, sweep=125, open=78, tuck=0.03),
    ),
    "DONOR-1": Signer(
        "DONOR-1",
        skin=(0.60, 0.38, 0.24),
        lips=(0.42, 0.18, 0.14),
        hair=(0.010, 0.009, 0.010),
        iris=(0.05, 0.025, 0.012),
        brows=Brows(0.0044, up=0.002),
        hairline="high",
        cap=0.022,
        blush=0.5,
        clothes=Clothes((0.16, 0.17, 0.18), neck=0.09),
    ),
    # A swap onto somebody alike shows little, and a beard ends at the signer's outline: hence bold brows, no beard.
    "DONOR-2": Signer(
        "DONOR-2",
        skin=(0.33, 0.17, 0.10),
        lips=(0.36, 0.06, 0.08),
        hair=(0.020, 0.012, 0.009),
        iris=(0.06, 0.03, 0.015),
        brows=Brows(0.0075, up=0.001),
        hairline="low",
        cap=0.042,
        blush=0.4,
        features=(("DONOR-2", 1.8), ("SIGNER-4", -0.8)),
        clothes=Clothes((0.62, 0.42, 0.06), neck=0.11),
    ),
    "DONOR-3": Signer(
        "DONOR-3",
        skin=(0.74, 0.48, 0.39),
        lips=(0.52, 0.24, 0.22),
        hair=(0.40, 0.24, 0.09),
        iris=(0.14, 0.24, 0.34),
        brows=Brows(0.0060, up=0.003),
        hairline="high",
        cap=0.018,
        features=(("DONOR-3", 0.7),),
        clothes=Clothes((0.10, 0.20, 0.13), v_neck=0.02),
    ),
}

_GREEN = replace(SIGNERS["SIGNER-4"], clothes=Clothes((0.07, 0.16, 0.12), sleeve=0.31, neck=0.09))
_STRIPED = replace(SIGNERS["SIGNER-4"], clothes=Clothes((0.5, 0.5, 0.5), stripes=(260, (0.04, 0.05, 0.16))))

SOURCES: dict[str, tuple[Studio, ...]] = {  # one studio a take
    "SACU": (
        Studio(
            SIGNERS["SIGNER-1"],
            Camera(0.60, target=(0, -0.05, 0.84)),
            SOFT,
            Backdrop((0.50, 0.55, 0.62), 0.3),
            Style(40),
            aspect=1.0,
            fps=25,
        ),
    ),
    "STS": (
        Studio(
            SIGNERS["SIGNER-2"],
            Camera(0.66, yaw=5, pitch=2, target=(0.01, -0.05, 0.82)),
            WARM,
            Backdrop((0.78, 0.76, 0.70), 0.15, clouds=0.03, seed=1),
            Style(36, 0.92, (0.01, 0, -0.01)),
            aspect=4 / 3,
            fps=30,
        ),
    ),
    "DILSE": (
        Studio(
            SIGNERS["SIGNER-3"],
            Camera(0.66, yaw=-4, pitch=-2, target=(-0.01, -0.05, 0.83)),
            HARD,
            Backdrop((0.016, 0.085, 0.05), 0.3),
            Style(44, 1.1, (0, -0.01, 0.01)),
            aspect=9 / 7,
            fps=25,
        ),
    ),
    "INTERPRETER": (
        Studio(
            SIGNERS["SIGNER-4"],
            Camera(0.65, pitch=1),
            OFFICE,
            Backdrop((0.42, 0.36, 0.28), seed=3, shelf=True),
            Style(34, 0.95),
            aspect=4 / 3,
            fps=25,
        ),
        Studio(
            _GREEN,
            Camera(0.66, yaw=24, pitch=4, target=(0, -0.08, 0.82)),
            OFFICE,
            Backdrop((0.40, 0.30, 0.24), 0.3, clouds=0.08, seed=4),
            Style(42, 1.05),
            aspect=4 / 3,
            fps=25,
        ),
        Studio(
            _STRIPED,
            Camera(0.64, yaw=-18, pitch=-6, target=(0.01, -0.05, 0.84)),
            WARM,
            Backdrop((0.20, 0.24, 0.30), 0.4, clouds=0.05, seed=5),
            Style(30, 0.88, (0, 0, 0.01)),
            aspect=4 / 3,
            fps=25,
        ),
    ),
}


def _donor(name: str, light: Light) -> Studio:
    """Who lends a face: closer to the camera, a livelier head, longer takes."""
    camera, style = Camera(0.58, target=(0, -0.05, 0.86)), Style(60, 0.9, liveliness=4)
    return Studio(SIGNERS[name], camera, light, Backdrop((0.36, 0.38, 0.40), 0.3), style, aspect=1.0, fps=25)


DONORS = {name: _donor(name, light) for name, light in (("DONOR-1", SOFT), ("DONOR-2", OFFICE), ("DONOR-3", SOFT))}
