"""Detectors as others build and save them (transformers, PyTorchModelHubMixin, timm), at random weights: what the adapters are proved
against. Every tensor is random, biases and norms too: a default of zeros would hide a mistake."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import timm
import torch
import transformers
from huggingface_hub import PyTorchModelHubMixin
from PIL import Image
from safetensors.torch import load_file, save_file
from timm.data.config import resolve_data_config, resolve_model_data_config
from timm.data.transforms_factory import create_transform
from torch import nn
from torch.nn import functional
from torchvision import transforms

from attribution.detectors.adapters import Source
from attribution.detectors.card import CropSettings

_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_HALVES = ((0.5,) * 3, (0.5,) * 3)
Picture = Image.Image


@dataclass(frozen=True)
class Original:
    """A detector of others: `build` makes it, `save` writes it as its library does, `pooled` gives what its head reads, `prepared` makes
    its input 3×S×S of a picture (given the folder that it was saved to) as its makers do."""

    title: str
    side_px: int
    build: Callable[[], Any]
    save: Callable[[Any, Path], None]
    pooled: Callable[[Any, torch.Tensor], torch.Tensor]
    prepared: Callable[[Path, Picture], torch.Tensor]
    logits: Callable[[Any, torch.Tensor], torch.Tensor] = lambda model, inputs: model(inputs).logits
    hints: Mapping[str, Any] = field(default_factory=dict)

    def model(self, seed: int = 0) -> Any:
        """The original in evaluation mode, seeded."""
        torch.manual_seed(seed)
        model = self.build().eval().requires_grad_(False)
        randomise(model)
        return model


def keep_quiet() -> None:
    """No progress bars and no remarks of transformers between the lines of a table."""
    transformers.utils.logging.disable_progress_bar()
    transformers.logging.set_verbosity_error()


def read_source(folder: Path, hints: Mapping[str, Any]) -> Source:
    """The files of a folder, as an adapter takes them."""
    processor = folder / "preprocessor_config.json"
    return Source(
        config=json.loads((folder / "config.json").read_text(encoding="utf-8")),
        preprocessor=json.loads(processor.read_text(encoding="utf-8")) if processor.is_file() else None,
        tensors=load_file(folder / "model.safetensors"),
        hints=hints,
    )


def randomise(model: nn.Module) -> None:
    """Random values of about the size that training leaves, in every parameter and running statistic."""
    with torch.no_grad():
        for name, value in [*model.named_parameters(), *model.named_buffers()]:
            if not value.is_floating_point() or name not in model.state_dict():
                continue
            if name.endswith("logit_scale"):
                # Swin V2's: the logarithm of what cosines are multiplied with.
                value.uniform_(math.log(5), math.log(50))
            elif name.endswith("running_var"):
                value.uniform_(0.5, 1.5)
            elif name.endswith("position_bias_mlp.2.weight"):
                value.normal_(std=0.05)
            elif value.ndim == 1:
                layer, _, what = name.rpartition(".")
                is_gain = what == "weight" and isinstance(model.get_submodule(layer), nn.LayerNorm | nn.BatchNorm2d)
                value.normal_(mean=float(is_gain), std=0.2)
            elif value.ndim == 3 or "relative_position_bias_table" in name or "position_embedding" in name:
                value.normal_(std=0.5)
            else:
                value.normal_(std=math.prod(value.shape[1:]) ** -0.5)


def _read_by_head(model: Any, inputs: torch.Tensor) -> torch.Tensor:
    """What the classifier of one of transformers' classes reads."""
    held: list[torch.Tensor] = []
    hook = model.classifier.register_forward_pre_hook(lambda _module, given: held.append(given[0]))
    model(inputs)
    hook.remove()
    return held[0]


def _by_processor(folder: Path, picture: Picture) -> torch.Tensor:
    """A picture as the image processor of a repository prepares it."""
    processor = transformers.AutoImageProcessor.from_pretrained(folder, backend="pil")
    return processor(images=picture, return_tensors="pt")["pixel_values"][0]


def _made_by(steps: Any, picture: Picture) -> torch.Tensor:
    """A picture as transforms of torchvision prepare it."""
    return steps(picture)


def of_transformers(
    kind: str, title: str, side_px: int, classes: int = 2, processor: str = "ViT", prepared: Mapping[str, Any] | None = None, **config: Any
) -> Original:
    """transformers' `kind`ForImageClassification, saved with the settings of its image processor (`prepared`); `config` is its
    configuration's."""

    def save(model: Any, folder: Path) -> None:
        model.save_pretrained(folder)
        given = {"size": {"height": side_px, "width": side_px}, **(prepared or {})}
        getattr(transformers, f"{processor}ImageProcessor")(**given).save_pretrained(folder)

    given = {"image_size": side_px, **config}
    given = {"vision_config": given} if kind in ("Siglip", "CLIP") else given
    settings = getattr(transformers, f"{kind}Config")(**given, **_labels(classes))
    build = getattr(transformers, f"{kind}ForImageClassification")
    return Original(title, side_px, lambda: build(settings), save, _read_by_head, _by_processor)


def _labels(count: int) -> dict[str, Any]:
    names = ["Real", "Fake", "Deepfake", "Human"][:count]
    return {"id2label": dict(enumerate(names)), "label2id": {name: number for number, name in enumerate(names)}}


class OneLogitViT(nn.Module, PyTorchModelHubMixin):
    """A timm ViT with one logit, chosen by its size: the shape of Community Forensics' public detectors."""

    def __init__(self, model_size: str = "small", input_size: int = 384, patch_size: int = 16, freeze_backbone: bool = False) -> None:
        super().__init__()
        self.frozen = freeze_backbone
        self.vit: Any = timm.create_model(f"vit_{model_size}_patch{patch_size}_{input_size}", num_classes=1)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.vit(inputs)


class GenD(nn.Module):
    """A vision encoder below a linear layer, on features of unit length: the published computation of GenD."""

    def __init__(self, encoder: Any, width: int, unit: bool = True) -> None:
        super().__init__()
        self.encoder, self.linear, self.unit = encoder, nn.Linear(width, 2), unit

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.linear(self.pooled(inputs))

    def pooled(self, inputs: torch.Tensor) -> torch.Tensor:
        found = self.encoder(inputs)
        if not isinstance(found, torch.Tensor):
            found = found.pooler_output if hasattr(self.encoder.config, "projection_dim") else found.last_hidden_state[:, 0]
        return functional.normalize(found, p=2, dim=1) if self.unit else found


def mixin(title: str = "one-logit ViT", model_size: str = "small", side_px: int = 384) -> Original:
    """OneLogitViT, with what is known of how its pictures are prepared."""
    short_px = 440 if side_px == 384 else 256
    crop = CropSettings("none", side_px=side_px, resample="bilinear", short_px=short_px, middle="round")
    steps = [transforms.Resize(short_px), transforms.CenterCrop(side_px), transforms.ToTensor(), transforms.Normalize(*_IMAGENET)]
    return Original(
        title, side_px, lambda: OneLogitViT(model_size, side_px), lambda model, folder: model.save_pretrained(folder),
        lambda model, inputs: model.vit.forward_head(model.vit.forward_features(inputs), pre_logits=True),
        lambda _folder, picture: _made_by(transforms.Compose(steps), picture),
        lambda model, inputs: model(inputs), {"mean": _IMAGENET[0], "std": _IMAGENET[1], "crop": crop},
    )  # fmt: skip


def gend(title: str, backbone: str, unit: bool = True, **config: Any) -> Original:
    """GenD on CLIP, DINOv3 (`config` as their configurations take it) or timm's Perception Encoder, with the names of transformers 4."""

    def build() -> GenD:
        if backbone.startswith("vit_pe"):
            encoder: Any = timm.create_model(backbone, dynamic_img_size=True)
            encoder.head = nn.Identity()
            return GenD(encoder, int(encoder.num_features), unit)
        kind = "CLIPVision" if "clip" in backbone else "DINOv3ViT"
        settings = getattr(transformers, f"{kind}Config")(**config)
        return GenD(getattr(transformers, f"{kind}Model")(settings), settings.hidden_size, unit)

    def save(model: GenD, folder: Path) -> None:
        under = "feature_extractor.vision_model." if "clip" in backbone else "feature_extractor.backbone."
        tensors = model.encoder.state_dict()
        if hasattr(model.encoder, "save_pretrained"):
            model.encoder.save_pretrained(folder)
            tensors = load_file(folder / "model.safetensors")
        tensors = {f"{under}{name}": one.contiguous() for name, one in tensors.items()}
        tensors |= {f"model.linear.{name}": one for name, one in model.linear.state_dict().items()}
        if "clip" in backbone:
            tensors["feature_extractor.visual_projection.weight"] = torch.zeros(8, model.linear.in_features)
        save_file(tensors, folder / "model.safetensors")
        given = {"model_type": "GenD", "architectures": ["GenD"], "backbone": backbone, "head": "LinearNorm" if unit else "linear"}
        (folder / "config.json").write_text(json.dumps(given), encoding="utf-8")

    def prepared(_folder: Path, picture: Picture) -> torch.Tensor:
        if "clip" in backbone:
            return transformers.CLIPImageProcessorPil()(images=picture, return_tensors="pt")["pixel_values"][0]
        if "dino" in backbone:
            return transformers.DINOv3ViTImageProcessor()(images=picture, return_tensors="pt")["pixel_values"][0]
        settings = {**resolve_model_data_config(timm.create_model(backbone)), "input_size": (3, 224, 224)}
        return _made_by(create_transform(**settings, is_training=False), picture)

    asked = (lambda model, inputs: model.pooled(inputs), prepared, lambda model, inputs: model(inputs))
    return Original(title, 224, build, save, *asked)


def hub(title: str, architecture: str, side_px: int, prefix: str = "", **arguments: Any) -> Original:
    """timm's hub format, with a `prefix` before the tensors' names that timm itself would not put there."""

    def save(model: Any, folder: Path) -> None:
        pretrained = {**model.pretrained_cfg, "input_size": [3, side_px, side_px], "mean": [0.5] * 3, "std": [0.25] * 3, "crop_pct": 0.9}
        timm.models.save_for_hf(
            model, str(folder), model_config={"label_names": ["Real", "Fake"], "pretrained_cfg": pretrained}, safe_serialization=True
        )
        if prefix:
            save_file({prefix + name: tensor.contiguous() for name, tensor in model.state_dict().items()}, folder / "model.safetensors")
        path = folder / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "model_args": arguments}, default=list), encoding="utf-8")

    def prepared(folder: Path, picture: Picture) -> torch.Tensor:
        said = json.loads((folder / "config.json").read_text(encoding="utf-8"))["pretrained_cfg"]
        return _made_by(create_transform(**resolve_data_config(pretrained_cfg=said), is_training=False), picture)

    return Original(
        title, side_px, lambda: timm.create_model(architecture, num_classes=2, **arguments), save,
        lambda model, inputs: model.forward_head(model.forward_features(inputs), pre_logits=True), prepared,
        lambda model, inputs: model(inputs),
    )  # fmt: skip


_BASE_SWIN: dict[str, Any] = {"embed_dim": 128, "depths": [2, 2, 18, 2], "num_heads": [4, 8, 16, 32]}
_LARGE: dict[str, Any] = {
    "hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096, "image_size": 224,
}  # fmt: skip
_MIDDLE = {"size": {"shortest_edge": 256}, "do_center_crop": True, "crop_size": {"height": 224, "width": 224}, "resample": 3}
_COLOURS = dict(zip(("image_mean", "image_std"), _IMAGENET, strict=True))


def of_real_sizes(large: bool) -> Iterator[Original]:
    """One of every format at the size that public detectors have; `large` adds GenD's three of some 300 million parameters each."""
    yield of_transformers("ViT", "ViT-B/16 224", 224)
    yield of_transformers("DeiT", "DeiT-B/16 224", 224)
    yield of_transformers("Beit", "BEiT-B/16 224", 224, processor="Beit", use_relative_position_bias=True)
    yield of_transformers("Swin", "Swin-B 224", 224, 4, **_BASE_SWIN)
    yield of_transformers("Swinv2", "SwinV2-B w16 256", 256, 4, window_size=16, pretrained_window_sizes=[12, 12, 12, 6], **_BASE_SWIN)
    yield of_transformers("Siglip", "SigLIP2-B/16 224", 224, 3, processor="Siglip")
    yield of_transformers("CLIP", "CLIP-B/32 224", 224, processor="CLIP", prepared={"size": {"shortest_edge": 224}})
    yield of_transformers("ConvNext", "ConvNeXt-T 224", 224, processor="ConvNext", prepared={"size": {"shortest_edge": 224}})
    yield of_transformers("ConvNextV2", "ConvNeXtV2-T 224", 224, processor="ConvNext", prepared={"size": {"shortest_edge": 224}})
    yield of_transformers("Dinov2", "DINOv2-B/14, pictures of 224", 224, processor="Bit", prepared={**_MIDDLE, **_COLOURS}, patch_size=14)
    yield of_transformers(
        "Dinov2WithRegisters", "DINOv2-B/14 with registers", 224, processor="Bit", prepared={**_MIDDLE, **_COLOURS}, patch_size=14
    )
    yield mixin("one-logit ViT-S/16 384")
    yield hub("ResNet-50", "resnet50", 224)
    yield hub("ConvNeXt-T with a prefix", "convnext_tiny", 224, prefix="model.")
    yield hub("DINOv2-S/14 with registers (timm)", "vit_small_patch14_reg4_dinov2", 224, img_size=224)
    yield hub("DINOv3-S/16 (timm)", "vit_small_patch16_dinov3", 224)
    yield hub("SwinV2-CR-S (timm)", "swinv2_cr_small_224", 224)
    yield hub("Xception", "legacy_xception", 299)
    yield hub("EfficientNet-B4", "efficientnet_b4", 320)
    yield gend("GenD on PE-Core-B/16", "vit_pe_core_base_patch16_224")
    if large:
        yield gend("GenD on CLIP-L/14", "openai/clip-vit-large-patch14", patch_size=14, **_LARGE)
        yield gend("GenD on PE-Core-L/14", "vit_pe_core_large_patch14_336")
        yield gend("GenD on DINOv3-L/16", "facebook/dinov3-vitl16-pretrain-lvd1689m", num_register_tokens=4, **_LARGE)
