"""The catalogue of weights: what each model is for, under which licence, how large, where from, how it is fed.

Facts only, no disk and no network. The segmenters are files of rembg's releases: addresses and pre-processing
numbers are those of rembg 2.0.86 (MIT); how each sha256 was found is told in docs/models.md. A request names a model
by its key here and never a path or an address.
"""

from dataclasses import dataclass
from typing import Literal

Task = Literal["segmentation", "depth", "mesh"]
Origin = Literal["releases", "hub", "torch", "own"]
Activation = Literal["none", "sigmoid"]


@dataclass(frozen=True)
class ModelFile:
    """One file of a model."""

    path: str  # inside the checkpoints folder, with forward slashes
    origin: Origin  # whose base address `address` is appended to; "own": the operator puts the file there
    address: str
    size_bytes: int | None  # None: not known beforehand
    sha256: str | None = None  # None: nobody's word is known beforehand; the size then counts as a guess
    sha256_start: str = ""  # its first digits, where the publisher tells no more of it

    @property
    def exact_size_bytes(self) -> int | None:
        """The size that the file must have, where that is known for certain."""
        return self.size_bytes if self.sha256 is not None else None


@dataclass(frozen=True)
class NetworkInput:
    """How a segmentation network is fed and read: (height, width) in pixels, per-channel mean and deviation of RGB
    in [0, 1], and what turns its first output into saliency."""

    size: tuple[int, int]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    activation: Activation = "none"


@dataclass(frozen=True)
class Model:
    """One entry of the catalogue."""

    name: str
    task: Task
    licence: str
    commercial_use: bool
    files: tuple[ModelFile, ...]
    about: str
    network: NetworkInput | None = None  # segmenters run by onnxruntime
    needs_permission: bool = False  # refused unless the operator allows non-commercial models

    @property
    def size_bytes(self) -> int:
        """Bytes of all files, as far as they are known beforehand."""
        return sum(file.size_bytes or 0 for file in self.files)


_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
U2NET_INPUT = NetworkInput((320, 320), _IMAGENET_MEAN, _IMAGENET_STD)
_ISNET_INPUT = NetworkInput((1024, 1024), (0.5, 0.5, 0.5), (1.0, 1.0, 1.0))
_ANIME_INPUT = NetworkInput((1024, 1024), _IMAGENET_MEAN, (1.0, 1.0, 1.0))
_BIREFNET_INPUT = NetworkInput((1024, 1024), _IMAGENET_MEAN, _IMAGENET_STD, "sigmoid")  # its output is a logit
_BRIA_INPUT = NetworkInput((1024, 1024), _IMAGENET_MEAN, _IMAGENET_STD)


def _segmenter(
    name: str,
    released_as: str,
    size_bytes: int,
    sha256: str,
    network: NetworkInput,
    about: str,
    licence: str = "Apache-2.0",
    commercial_use: bool = True,
) -> Model:
    file = ModelFile(f"{name}.onnx", "releases", released_as, size_bytes, sha256)
    return Model(name, "segmentation", licence, commercial_use, (file,), about, network, not commercial_use)


def _hub_file(model: str, repository: str, revision: str, name: str, size: int, sha256: str | None = None) -> ModelFile:
    return ModelFile(f"{model}/{name}", "hub", f"{repository}/resolve/{revision}/{name}", size, sha256)


def _depth(
    name: str, repository: str, revision: str, licence: str, about: str, digests: dict[str, tuple[int, str | None]]
) -> Model:
    files = tuple(_hub_file(name, repository, revision, file, *facts) for file, facts in digests.items())
    return Model(name, "depth", licence, licence == "Apache-2.0", files, about)


def _mask_rcnn(name: str, released_as: str, size_bytes: int, about: str) -> Model:
    start = released_as.removesuffix(".pth")[-8:]  # torchvision names its files after the beginning of their digest
    file = ModelFile(f"{name}.pth", "torch", released_as, size_bytes, sha256_start=start)
    return Model(name, "segmentation", "BSD-3-Clause", True, (file,), about)


_PREPROCESSOR = (775, "d41175c0d889477ca8fc67191e540faef14baf6275157b3fdecf78469e6bbf84")

_MODELS = (
    _segmenter(
        "isnet-general-use",
        "isnet-general-use.onnx",
        178_648_008,
        "60920e99c45464f2ba57bee2ad08c919a52bbf852739e96947fbb4358c0d964a",
        _ISNET_INPUT,
        "Any object, sharp edges; the default (IS-Net, Qin et al. 2022).",
    ),
    _segmenter(
        "u2net",
        "u2net.onnx",
        175_997_641,
        "8d10d2f3bb75ae3b6d527c77944fc5e7dcd94b29809d47a739a7a728a912b491",
        U2NET_INPUT,
        "Any object, at 320 px (U²-Net, Qin et al. 2020).",
    ),
    _segmenter(
        "u2netp",
        "u2netp.onnx",
        4_574_861,
        "309c8469258dda742793dce0ebea8e6dd393174f89934733ecc8b14c76f4ddd8",
        U2NET_INPUT,
        "The small U²-Net: quick, coarse.",
    ),
    _segmenter(
        "u2net_human_seg",
        "u2net_human_seg.onnx",
        175_997_641,
        "01eb6a29a5c4d8edb30b56adad9bb3a2a0535338e480724a213e0acfd2d1c73c",
        U2NET_INPUT,
        "People only (U²-Net).",
    ),
    _segmenter(
        "silueta",
        "silueta.onnx",
        44_173_029,
        "75da6c8d2f8096ec743d071951be73b4a8bc7b3e51d9a6625d63644f90ffeedb",
        U2NET_INPUT,
        "U²-Net made a quarter of its size by rembg; its licence is taken from U²-Net.",
    ),
    _segmenter(
        "isnet-anime",
        "isnet-anime.onnx",
        176_069_933,
        "f15622d853e8260172812b657053460e20806f04b9e05147d49af7bed31a6e99",
        _ANIME_INPUT,
        "Drawn characters (IS-Net, SkyTNT's anime-segmentation).",
    ),
    _segmenter(
        "birefnet-general",
        "BiRefNet-general-epoch_244.onnx",
        972_666_916,
        "58f621f00f5d756097615970a88a791584600dcf7c45b18a0a6267535a1ebd3c",
        _BIREFNET_INPUT,
        "Any object, the finest edges, slow without a GPU (BiRefNet, Zheng et al. 2024).",
        "MIT",
    ),
    _segmenter(
        "birefnet-general-lite",
        "BiRefNet-general-bb_swin_v1_tiny-epoch_232.onnx",
        224_005_088,
        "5600024376f572a557870a5eb0afb1e5961636bef4e1e22132025467d0f03333",
        _BIREFNET_INPUT,
        "Any object, fine edges (BiRefNet on a Swin-T).",
        "MIT",
    ),
    _segmenter(
        "birefnet-portrait",
        "BiRefNet-portrait-epoch_150.onnx",
        972_666_916,
        "1ba1c8ff5a7bbfadc8d8d13fb11d7be793f91f23d9d466549e37a854f6668f99",
        _BIREFNET_INPUT,
        "People and their hair, slow without a GPU (BiRefNet).",
        "MIT",
    ),
    _segmenter(
        "bria-rmbg",
        "bria-rmbg-2.0.onnx",
        1_024_331_469,
        "5b486f08200f513f460da46dd701db5fbb47d79b4be4b708a19444bcd4e79958",
        _BRIA_INPUT,
        "Any object (BRIA RMBG 2.0); non-commercial.",
        "CC-BY-NC-4.0",
        commercial_use=False,
    ),
    _mask_rcnn(
        "maskrcnn",
        "maskrcnn_resnet50_fpn_coco-bf2d0c1e.pth",
        178_090_000,
        "80 kinds of everyday things, told apart from each other; coarse outlines (Mask R-CNN, He et al. 2017).",
    ),
    _mask_rcnn(
        "maskrcnn-v2",
        "maskrcnn_resnet50_fpn_v2_coco-73cbd019.pth",
        185_830_000,
        "The same 80 kinds, found more surely, slower (Mask R-CNN with Li et al. 2021).",
    ),
    _depth(
        "depth-anything-v2-vits",
        "depth-anything/Depth-Anything-V2-Small-hf",
        "5426e4f0f36572d16453bbda7a8389317b1bef99",
        "Apache-2.0",
        "What stands in front; the default (Depth Anything V2, Yang et al. 2024).",
        {
            "config.json": (950, "c56698d3643dde1f83ea2212759e6b31a22b8f827246a36dd007ee8a22b3ff75"),
            "preprocessor_config.json": _PREPROCESSOR,
            "model.safetensors": (99_173_660, "3152477ce0d8d6978d76b995120de97cb5b928701fd0f817769f59e249a16b70"),
        },
    ),
    _depth(
        "depth-anything-v2-vitb",
        "depth-anything/Depth-Anything-V2-Base-hf",
        "main",  # neither a revision nor a digest is known beforehand: the hub's own digest is checked while fetching
        "CC-BY-NC-4.0",
        "Depth Anything V2 with a larger network; non-commercial.",
        {
            "config.json": (950, None),
            "preprocessor_config.json": (775, None),
            "model.safetensors": (390_000_000, None),
        },
    ),
    _depth(
        "depth-anything-v2-vitl",
        "depth-anything/Depth-Anything-V2-Large-hf",
        "7581137eff8d4e94f6e796d3baea0e9fa79b22d2",
        "CC-BY-NC-4.0",
        "Depth Anything V2 with its largest network; non-commercial.",
        {
            "config.json": (950, None),
            "preprocessor_config.json": (775, None),
            "model.safetensors": (1_341_322_868, "4e01e34ed5549b529b70b92d53226bc370f03041977b390d3dde45d47f516cf9"),
        },
    ),
    Model(
        "triposr",
        "mesh",
        "MIT",
        True,
        (
            _hub_file(
                "triposr",
                "stabilityai/TripoSR",
                "5b521936b01fbe1890f6f9baed0254ab6351c04a",
                "config.yaml",
                987,
                "74ca708ce086bf68e97709ea6b3d91f14717921c04691e84043f0eb8fcc68e62",
            ),
            _hub_file(
                "triposr",
                "stabilityai/TripoSR",
                "5b521936b01fbe1890f6f9baed0254ab6351c04a",
                "model.ckpt",
                1_677_246_742,
                "429e2c6b22a0923967459de24d67f05962b235f79cde6b032aa7ed2ffcd970ee",
            ),
        ),
        "One picture to a mesh (TripoSR, Tochilkin et al. 2024).",
    ),
)

CATALOGUE: dict[str, Model] = {model.name: model for model in _MODELS}
DEFAULT_SEGMENTER = "isnet-general-use"
DEFAULT_DEPTH = "depth-anything-v2-vits"
DEFAULT_MODELS = (DEFAULT_DEPTH, DEFAULT_SEGMENTER, "triposr")  # smallest first: each is of use as soon as it is there
