"""A suite of two controllers and two poles whose twelve runs take a second or two."""

SMALL = {
    "name": "small",
    "summary": "two controllers",
    "scenarios": ["cartpole_ladder"],
    "controllers": ["lqr", "random"],
    "seeds": [10000, 10001, 10002],
    "set": {"loop.duration_s": 0.05},
    "axes": {"plant.pole_m": [1.0, 0.5]},
}
