"""Windows, resampling and other operators over images, drawn in every version."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.importers.single import Draw, makes

AUTO = ("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER")


def windows(d: Draw, axes: int, kernel: list[int]) -> dict[str, Any]:
    """Draw strides, dilations and padding of windows."""
    given = d.some(strides=[d.integer(1, 4) for _ in kernel])
    if d.chance():
        return given | {"auto_pad": d.pick(*AUTO)}
    return given | d.some(pads=[d.integer(0, kernel[place % axes]) for place in range(2 * axes)])


@makes("Conv")
def conv(d: Draw) -> object:
    axes, groups = d.integer(1, 3), d.integer(1, 3)
    kernel = [d.integer(1, 4) for _ in range(axes)]
    given = windows(d, axes, kernel) | d.some(dilations=[d.integer(1, 3) for _ in kernel], kernel_shape=kernel)
    given |= {"group": groups} if groups > 1 or d.chance() else {}
    weight = (2 * groups, d.integer(1, 3), *kernel)
    size = [d.integer(3, 7) for _ in kernel]
    bias = [d.floats(weight[:1])] if d.chance() else []
    first = (
        d.either((d.integer(1, 3), weight[1] * groups, *size), 2)
        if d.chance(5)
        else d.data((1, weight[1] * groups, *size))
    )
    return d.add([first, d.data(weight) if first[0] == "c" else d.floats(weight), *bias], **given)


@makes("ConvTranspose")
def deconv(d: Draw) -> object:
    axes, groups = d.integer(1, 3), d.integer(1, 3)
    kernel = [d.integer(1, 4) for _ in range(axes)]
    given = windows(d, axes, kernel) | d.some(dilations=[d.integer(1, 3) for _ in kernel], kernel_shape=kernel)
    given |= {"group": groups} if groups > 1 or d.chance() else {}
    strides = given.get("strides", [1] * axes)
    if d.chance(4):
        given["output_padding"] = [d.integer(0, step) for step in strides]
    size = [d.integer(1, 4) for _ in kernel]
    if d.chance(6):
        given["output_shape"] = [n * s + d.integer(-1, 2) for n, s in zip(size, strides, strict=True)]
    weight = (2 * groups, d.integer(1, 3), *kernel)
    bias = [d.floats((weight[1] * groups,))] if d.chance() else []
    return d.add([d.data((d.integer(1, 3), weight[0], *size)), d.floats(weight), *bias], **given)


@makes("MaxPool", "AveragePool")
def pools(d: Draw) -> object:
    axes = d.integer(1, 3)
    kernel = [d.integer(1, 4) for _ in range(axes)]
    given = windows(d, axes, kernel) | {"kernel_shape": kernel}
    given |= d.some(ceil_mode=1) if d.version >= 10 else {}
    dilated = d.version >= (10 if d.op == "MaxPool" else 19)
    given |= d.some(dilations=[d.integer(1, 3) for _ in kernel]) if dilated and d.chance() else {}
    given |= d.some(count_include_pad=1) if d.op == "AveragePool" and d.version >= 7 else {}
    stored = d.op == "MaxPool" and d.version >= 8
    given |= d.some(storage_order=1) if stored else {}
    return d.add(
        [d.data((d.integer(1, 3), 2, *(d.integer(2, 7) for _ in kernel)))], d.integer(1, 3) if stored else 1, **given
    )


@makes("MaxUnpool")
def unpooled(d: Draw) -> object:
    index = d.random.permutation(16)[:4].reshape(1, 1, 2, 2)
    wanted = [d.ints(1, 1, 4, 4)] if d.chance() else []
    return d.add(
        [d.data((1, 1, 2, 2)), d.constant(index, np.int64), *wanted],
        kernel_shape=[2, 2],
        strides=[2, 2],
        **d.some(pads=[0] * 4),
    )


@makes("Upsample", "Resize")
def resized(d: Draw) -> object:
    if d.op == "Resize" and d.version >= 11:
        return modern(d)
    mode = d.pick("nearest", "linear" if d.version >= 7 else "bilinear")
    if d.version < 7:
        return d.add([d.data((1, 1, 2, 3))], mode=mode, height_scale=2.0, width_scale=1.5)
    scales = [1.0, 1.0, d.pick(1.0, 2.0, 1.5, 2.5), d.pick(2.0, 3.0, 1.25)]
    if d.op == "Resize" and d.chance(4):
        scales[3] = 0.5
    given = {"mode": mode} if mode != "nearest" or d.chance() else {}
    data = d.data((1, d.integer(1, 3), d.integer(1, 4), d.integer(2, 5)))
    if d.version < 9:
        return d.add([data], scales=scales, **given)
    return d.add([data, d.constant(np.array(scales, np.float32))], **given)


def modern(d: Draw) -> object:
    """Draw a Resize with coordinates that can be chosen."""
    mode = d.pick("nearest", "linear", "cubic")
    kinds = ["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric", "tf_crop_and_resize"]
    kinds += ["half_pixel_symmetric"] * (d.version >= 19)
    kind = d.pick(*kinds) if mode != "cubic" else d.pick(*kinds[:4])
    given: dict[str, Any] = {"mode": mode, "coordinate_transformation_mode": kind}
    given |= (
        d.some(nearest_mode=d.pick("round_prefer_floor", "round_prefer_ceil", "floor", "ceil"))
        if mode == "nearest"
        else {}
    )
    given |= d.some(cubic_coeff_a=-0.5, exclude_outside=1) if mode == "cubic" else {}
    given |= d.some(extrapolation_value=1.5) if kind.startswith("tf") else {}
    given |= d.some(antialias=1) if d.version >= 18 and mode != "nearest" and not kind.startswith("tf") else {}
    size = [d.integer(2, 5), d.integer(2, 5)]
    region = np.array([0, 0, 0.25, 0, 1, 1, 1, 0.75], np.float32) if kind.startswith("tf") else np.zeros(0, np.float32)
    roi = d.constant(region) if kind.startswith("tf") or d.version < 13 else ""
    data = d.data((1, d.integer(1, 3), *size))
    if d.chance():
        scales = [1.0, 1.0, d.pick(2.0, 0.5, 1.5), d.pick(2.0, 3.0, 1.0)]
        return d.add([data, roi, d.constant(np.array(scales, np.float32))], **given)
    blank = d.constant(np.zeros(0, np.float32)) if d.version < 13 else ""
    channels = d.varying[data].shape[1]
    return d.add([data, roi, blank, d.ints(1, channels, d.integer(1, 7), d.integer(1, 7))], **given)


@makes("GridSample")
def sampled(d: Draw) -> object:
    modes = ("bilinear", "nearest", "bicubic") if d.version < 20 else ("linear", "nearest", "cubic")
    grid = d.constant(d.numbers((1, 2, 2, 2)) / 3 + 0.07, np.float32)
    paddings = ("zeros", "border", "reflection")
    given = d.some(mode=d.pick(*modes), padding_mode=d.pick(*paddings), align_corners=1)
    return d.add([d.data((1, 2, 3, 4)), grid], **given)


@makes("AffineGrid")
def affine(d: Draw) -> object:
    size = d.pick((2, 1, 2, 3), (1, 1, 2, 2, 3))
    axes = len(size) - 2
    return d.add([d.data((size[0], axes, axes + 1)), d.ints(*size)], **d.some(align_corners=1))


@makes("RoiAlign")
def pooled_regions(d: Draw) -> object:
    rois = np.array([[0, 0, 3, 3], [0.5, 1, 2.5, 3.5]], np.float32)
    given = d.some(
        mode=d.pick("avg", "max"), output_height=2, output_width=2, sampling_ratio=d.integer(1, 3), spatial_scale=0.5
    )
    given |= d.some(coordinate_transformation_mode=d.pick("half_pixel", "output_half_pixel")) if d.version >= 16 else {}
    return d.add([d.data((1, 2, 5, 5)), d.constant(rois), d.ints(0, 0)], **given)


@makes("DeformConv")
def deformed(d: Draw) -> object:
    offset = d.constant(d.numbers((1, 8, 3, 3)) / 2, np.float32)
    rest = [d.floats((2,)), d.constant(np.abs(d.numbers((1, 4, 3, 3))))][: d.integer(0, 3)]
    return d.add(
        [d.data((1, 2, 4, 4)), d.floats((2, 2, 2, 2)), offset, *rest], **d.some(kernel_shape=[2, 2], pads=[0, 0, 0, 0])
    )


@makes("Col2Im")
def columns(d: Draw) -> object:
    if d.chance():
        return d.add([d.data((1, 8, 4)), d.ints(4, 4), d.ints(2, 2)], strides=[2, 2])
    return d.add([d.data((2, 4, 9)), d.ints(4, 4), d.ints(2, 2)], **d.some(dilations=[1, 1]))


@makes("RotaryEmbedding")
def rotated(d: Draw) -> object:
    caches = [d.constant(d.numbers((4, 2))) for _ in range(2)]
    places = d.constant(np.array([[0, 1, 3], [2, 2, 0]]))
    return d.add([d.data((2, 2, 3, 4)), *caches, places], **d.some(interleaved=1))
