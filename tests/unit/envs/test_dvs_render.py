"""The event camera's pictures: where things are, how large, and what is before what, by projections of their own."""

from __future__ import annotations

import math

import numpy as np
import pytest
from dvs_lab import DOWN, Lab, clean, flat, picture
from scipy.spatial import ConvexHull
from scipy.spatial.transform import Rotation

from hilbench.envs.sensors import Ground, Scene, box, cylinder, sphere

POSES = {
    "ahead": (0.0, 0.0, 0.5, 0.0, 0.0, 0.0),
    "down": (1.0, 0.1, 1.5, 0.4, 0.5, 0.0),
    "rolled": (0.5, -1.0, 0.8, 0.5, 0.1, 0.7),
}
BODIES = {
    "sphere": sphere((3.0, 0.4, 0.6), 0.4, 0.9),
    "box": box((3.0, 0.2, 0.5), (0.5, 0.9, 0.7), 0.9, 0.6),
    "cylinder": cylinder((3.0, 0.1, 0.5), 0.3, 0.9, 0.9),
    "disc": cylinder((3.0, 0.1, 0.2), 0.6, 0.0, 0.9),
}
FOV_RAD, WIDTH, HEIGHT = 1.2, 48, 40
FOCAL_PX = WIDTH / 2 / math.tan(FOV_RAD / 2)
LENS = {"fov_rad": FOV_RAD, "width": WIDTH, "height": HEIGHT}
BLACK = Ground([[0.1]])


def project(points_m, pose):
    """Column and row of points (n, 3), and how far ahead they are, by SciPy's rotations."""
    turned = Rotation.from_euler("ZYX", pose[3:]).inv().apply(np.atleast_2d(points_m) - pose[:3])
    ahead, left, up = turned.T
    return np.stack([WIDTH / 2 - FOCAL_PX * left / ahead, HEIGHT / 2 - FOCAL_PX * up / ahead], 1), ahead


def surface(name):
    """Points on a body of BODIES, (n, 3): corners, rims or a fine net."""
    angle = np.linspace(0, 2 * np.pi, 720)
    circle = np.stack([np.cos(angle), np.sin(angle)], 1)
    if name == "sphere":
        tilt = np.linspace(-np.pi / 2, np.pi / 2, 361)[:, None, None]
        net = np.concatenate([np.cos(tilt) * circle, np.broadcast_to(np.sin(tilt), (361, 720, 1))], 2).reshape(-1, 3)
        return np.array((3.0, 0.4, 0.6)) + 0.4 * net
    if name == "box":
        corners = np.stack(np.meshgrid(*[(-0.5, 0.5)] * 3), -1).reshape(-1, 3) * (0.5, 0.9, 0.7)
        return Rotation.from_euler("Z", 0.6).apply(corners) + np.array((3.0, 0.2, 0.5))
    radius, half, z = (0.3, 0.45, 0.5) if name == "cylinder" else (0.6, 0.0, 0.2)
    rim = np.concatenate([np.c_[radius * circle, np.full(720, at)] for at in (-half, half)])
    return rim + np.array((3.0, 0.1, z))


def depth_in(hull, pixels):
    """How far within a hull each pixel is; negative outside."""
    return -(pixels @ hull.equations[:, :2].T + hull.equations[:, 2]).max(1)


@pytest.mark.parametrize("pose", POSES)
@pytest.mark.parametrize("name", BODIES)
def test_a_body_covers_the_pixels_of_its_projection(name, pose):
    """A pixel's middle is within the hull of the body's projected surface, or without."""
    found, ahead = project(surface(name), POSES[pose])
    assert ahead.min() > 0
    hull = ConvexHull(found)
    columns, rows = np.meshgrid(np.arange(WIDTH) + 0.5, np.arange(HEIGHT) + 0.5)
    depth = depth_in(hull, np.stack([columns.ravel(), rows.ravel()], 1)).reshape(HEIGHT, WIDTH)
    seen = picture(Scene(BLACK, [BODIES[name]], sky=0.1), POSES[pose], rays=1, **LENS) > 0.5
    sure = np.abs(depth) > 0.02
    assert (seen == (depth > 0))[sure].all()
    assert 10 < seen.sum() < seen.size - 10


@pytest.mark.parametrize("name", BODIES)
def test_a_pixel_at_an_edge_has_the_share_of_it_that_is_covered(name):
    """The sum over all pixels is the area of the hull, far better than whole pixels would give it."""
    area = ConvexHull(project(surface(name), POSES["down"])[0]).volume
    seen = picture(Scene(BLACK, [BODIES[name]], sky=0.1), POSES["down"], rays=64, **LENS)
    assert (seen.sum() - 0.1 * seen.size) / 0.8 == pytest.approx(area, rel=5e-3)


@pytest.mark.parametrize("angle_rad", [0.004, 0.05, 0.4])
def test_a_sphere_covers_its_angular_size(angle_rad):
    """Ahead of the camera its picture is a disc of radius f tan(asin(r / d)), also one far smaller than a pixel."""
    aside = 0.25 / FOCAL_PX  # the smallest one lies beside the middles of pixels
    ball = sphere((2.0, 2.0 * aside, 5.0 + 2.0 * aside), 2.0 * math.sin(angle_rad), 0.9)
    seen = picture(Scene(BLACK, [ball], sky=0.1), (0.0, 0.0, 5.0, 0.0, 0.0, 0.0), rays=256, **LENS)
    disc = math.pi * (FOCAL_PX * math.tan(angle_rad)) ** 2
    assert (seen.sum() - 0.1 * seen.size) / 0.8 == pytest.approx(disc, rel=0.02 if angle_rad > 0.01 else 0.2)


@pytest.mark.parametrize("pose", ["down", "rolled"])
@pytest.mark.parametrize("tiled", [False, True])
def test_a_point_of_the_ground_lands_where_it_is_projected(pose, tiled):
    """A white spot of 6 cm on black; its centroid in the picture against the projection of its middle."""
    spot = np.zeros((200, 200))
    place_m = np.array((2.6, 0.3)) if pose == "down" else np.array((2.0, 0.4))
    i, j = np.round(place_m / 0.02 + 20).astype(int)
    spot[j - 1 : j + 2, i - 1 : i + 2] = 1.0
    middle_m = [(i + 0.5) * 0.02 - 0.4, (j + 0.5) * 0.02 - 0.4, 0.0]
    ground = Ground(spot, (-0.4, -0.4), 0.02, tiled=tiled)
    seen = picture(Scene(ground, sky=0.0), POSES[pose], **LENS)
    (due,), _ = project(middle_m, POSES[pose])
    rows, columns = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    near = np.hypot(columns - due[0], rows - due[1]) < 5
    found = [(seen * near * axis).sum() / (seen * near).sum() for axis in (columns, rows)]
    assert seen[near].sum() > 0.3
    np.testing.assert_allclose(found, due, atol=0.35)


def test_the_ground_is_interpolated_between_texels():
    """A ramp of luminance along x stays one: its value is that at the point where the ray meets the ground."""
    ground = Ground(np.linspace(0, 1, 100)[None].repeat(100, 0), (-2.0, -2.0), 0.04)
    seen = picture(Scene(ground), (0.1, 0.2, 1.0, 0.0, np.pi / 2, 0.0), **LENS)
    x = 0.1 - (np.arange(HEIGHT) + 0.5 - HEIGHT / 2) / FOCAL_PX
    np.testing.assert_allclose(seen, (((x + 2) / 0.04 - 0.5) / 99)[:, None].repeat(WIDTH, 1), atol=1e-6)


def test_a_picture_repeats_or_its_border_goes_on():
    steps = np.array([[0.2, 0.4, 0.6, 0.8]])
    for tiled, due in ((True, (0.2, 0.8)), (False, (0.8, 0.8))):
        ground = Ground(steps, (0.0, 0.0), 1.0, tiled=tiled)
        for x, luminance in zip((4.5, 7.5), due, strict=True):
            seen = picture(Scene(ground), (x, 0.0, 1.0, 0.0, np.pi / 2, 0.0), fov_rad=0.01, width=1, height=1)
            assert seen[0, 0] == pytest.approx(luminance, abs=1e-6)


def test_far_ground_is_the_mean_of_what_a_pixel_covers():
    """A chequerboard of 2 cm from 20 m: no pixel is far from its mean, and there is no moire."""
    board = np.indices((64, 64)).sum(0) % 2 * 0.8 + 0.1
    ground = Ground(board, (0.0, 0.0), 0.02, tiled=True)
    for pose in ((0.0, 0.0, 20.0, 0.3, np.pi / 2, 0.0), (0.0, 0.0, 2.0, 0.3, 0.3, 0.1)):
        seen = picture(Scene(ground, sky=0.5), pose, **LENS)
        assert seen.mean() == pytest.approx(0.5, abs=5e-3)
        assert seen[: HEIGHT // 2].std() < 0.02
    assert picture(Scene(ground), DOWN, fov_rad=0.2, width=32, height=32).std() == pytest.approx(0.4 / 3, rel=0.1)


def test_painted_ground_is_the_mean_of_its_function_over_each_texel():
    ground = Ground.painted(lambda x, y: (x < 0.25) + 2.0 * (y < 0.5), (0.0, 0.0), (1.0, 1.0), 0.5, n=8)
    (at, n_y, n_x) = ground.levels[0]
    texels = ground.texels[at : at + n_y * n_x].reshape(n_y, n_x)[:2, :2]
    np.testing.assert_allclose(texels, [[2.5, 2.0], [0.5, 0.0]])
    assert ground.facts[4] == pytest.approx(1.25)


def test_what_is_nearer_hides_what_is_behind_it():
    near, far = sphere((2.0, 0.0, 0.5), 0.3, 0.9), box((4.0, 0.0, 0.5), (0.2, 3.0, 0.8), 0.4)
    for bodies in ([near, far], [far, near]):
        seen = picture(Scene(BLACK, bodies, sky=0.0), POSES["ahead"], **LENS)
        assert seen[HEIGHT // 2, WIDTH // 2] == pytest.approx(0.9)
        assert seen[HEIGHT // 2, WIDTH // 2 + 12] == pytest.approx(0.4)
    sunk = picture(Scene(BLACK, [sphere((2.0, 0.0, -1.0), 0.5, 0.9)], sky=0.1), POSES["down"], **LENS)
    np.testing.assert_allclose(sunk, 0.1)
    inside = picture(Scene(BLACK, [sphere((0.0, 0.0, 0.5), 0.5, 0.9)], sky=0.0), POSES["ahead"], **LENS)
    assert inside.max() < 0.2


def test_a_wall_beside_the_camera_fills_what_its_plane_does():
    """A corridor's left wall is partly behind the camera: it covers u < 0 between its lower and its upper edge."""
    wall = box((0.0, 1.05, 0.5), (40.0, 0.1, 2.3), 0.9)  # from z = -0.65 to 1.65, its near face at y = 1
    seen = picture(Scene(Ground([[0.1]], far_m=1e6), [wall], sky=0.0), POSES["ahead"], rays=1, **LENS) > 0.5
    columns, rows = np.meshgrid(np.arange(WIDTH) + 0.5 - WIDTH / 2, np.arange(HEIGHT) + 0.5 - HEIGHT / 2)
    u, v = columns / FOCAL_PX, rows / FOCAL_PX
    due = (u < 0) & (v < 0.5 * -u) & (v > -1.15 * -u) & (-u > 1 / 20)
    assert (seen == due).mean() > 0.995


def test_stripes_of_a_wall_have_their_period_and_their_mean():
    wall = box((3.0, 0.0, 0.5), (0.2, 8.0, 4.0), 0.2, stripes=(0.8, 0.5))
    row = picture(Scene(BLACK, [wall]), POSES["ahead"], width=480, height=4, fov_rad=1.2)[1]
    y = -2.9 * (np.arange(480) + 0.5 - 240) / (240 / math.tan(0.6))
    due = np.where(np.floor(y / 0.25) % 2 == 0, 0.2, 0.8)
    sure = np.abs(y / 0.25 - np.rint(y / 0.25)) > 0.05
    np.testing.assert_allclose(row[sure], due[sure], atol=1e-9)
    fine = box((3.0, 0.0, 0.5), (0.2, 8.0, 4.0), 0.2, stripes=(0.8, 0.005))
    np.testing.assert_allclose(picture(Scene(BLACK, [fine]), POSES["ahead"], width=8, height=4)[1], 0.5, atol=1e-3)


def test_rows_are_a_part_of_the_whole_picture():
    scene = Scene(BLACK, list(BODIES.values()))
    whole = picture(scene, POSES["rolled"], **LENS)
    part = picture(scene, POSES["rolled"], rows=[10, 31], **LENS)
    assert part.shape == (21, WIDTH)
    np.testing.assert_allclose(part[1:-1], whole[11:30], atol=1e-12)  # at the border there is no row beyond


def test_bodies_may_move_come_and_go():
    scene = flat(0.1)
    sensor = clean(**LENS)
    lab = Lab(scene, lambda _: POSES["ahead"])
    assert not sensor.sample(lab).size
    scene.bodies = np.array([BODIES["sphere"]])
    assert sensor.sample(lab).size
    scene.bodies[0, 1:4] = 3.0, -1.0, 0.6
    assert set(sensor.sample(lab)["address"] % 2) == {0, 1}
    scene.bodies[0, 1:4] = np.nan
    assert sensor.sample(lab).size  # gone
    assert not sensor.sample(lab).size


@pytest.mark.parametrize("wrong", [[1.0], [[-1.0]], [[np.nan]], [[]]])
def test_a_ground_without_a_picture_is_refused(wrong):
    with pytest.raises(ValueError, match="picture"):
        Ground(wrong)
    with pytest.raises(ValueError, match="texel_m -1"):
        Ground([[1.0]], texel_m=-1.0)
