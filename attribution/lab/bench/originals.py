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
from safetensors.torch import load_file, save_file
from torch import nn

from attribution.detectors.adapters import Source
from attribution.detectors.card import CropSettings

_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@dataclass(frozen=True)
class Original:
    """A detector of others: `build` makes it, `save` writes it as its library does, `pooled` gives what its head reads. `largest_scale`:
    heads of a SwinV2 multiply their cosines by more than the original allows."""

    title: str
    side_px: int
    build: Callable[[], Any]
    save: Callable[[Any, Path], None]
    pooled: Callable[[Any, torch.Tensor], torch.Tensor]
    logits: Callable[[Any, torch.Tensor], torch.Tensor] = lambda model, inputs: model(inputs).logits
    hints: Mapping[str, Any] = field(default_factory=dict)
    largest_scale: bool = False

    def model(self, seed: int = 0) -> Any:
        """The original in evaluation mode, seeded."""
        torch.manual_seed(seed)
        model = self.build().eval().requires_grad_(False)
        randomise(model)
        if self.largest_scale:
            for name, value in model.named_parameters():
                if name.endswith("logit_scale"):
                    value.fill_(math.log(150))
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


def _of_transformers(
    kind: str, title: str, side_px: int, config: Any, pooled: Callable[[Any, torch.Tensor], torch.Tensor], processor: str = "ViT",
    **prepared: Any,
) -> Original:  # fmt: skip
    """A classifier of transformers, saved with the settings of its image processor."""

    def save(model: Any, folder: Path) -> None:
        model.save_pretrained(folder)
        getattr(transformers, f"{processor}ImageProcessor")(size={"height": side_px, "width": side_px}, **prepared).save_pretrained(folder)

    return Original(title, side_px, lambda: getattr(transformers, f"{kind}ForImageClassification")(config), save, pooled)


def _labels(count: int) -> dict[str, Any]:
    names = ["Real", "Fake", "Deepfake", "Human"][:count]
    return {"id2label": dict(enumerate(names)), "label2id": {name: number for number, name in enumerate(names)}}


def vit(title: str = "ViT", side_px: int = 224, classes: int = 2, **config: Any) -> Original:
    """transformers' ViT; `config` as ViTConfig takes it."""
    settings = transformers.ViTConfig(**{"image_size": side_px, **_labels(classes), **config})
    return _of_transformers("ViT", title, side_px, settings, lambda model, inputs: model.vit(inputs).last_hidden_state[:, 0])


def swin(title: str = "Swin", side_px: int = 224, second: bool = False, **config: Any) -> Original:
    """transformers' Swin or, `second`, SwinV2; `config` as SwinConfig and Swinv2Config take it."""
    kind = "Swinv2" if second else "Swin"
    settings = getattr(transformers, f"{kind}Config")(**{"image_size": side_px, **_labels(4), **config})
    return _of_transformers(
        kind, title, side_px, settings, lambda model, inputs: getattr(model, kind.lower())(inputs).pooler_output, resample=3
    )


def siglip(title: str = "SigLIP", side_px: int = 224, classes: int = 3, **vision: Any) -> Original:
    """transformers' SigLIP classifier; `vision` as SiglipVisionConfig takes it."""
    settings = transformers.SiglipConfig(vision_config={"image_size": side_px, **vision}, **_labels(classes))
    return _of_transformers(
        "Siglip", title, side_px, settings, lambda model, inputs: model.vision_model(inputs).last_hidden_state.mean(1), "Siglip"
    )


class OneLogitViT(nn.Module, PyTorchModelHubMixin):
    """A timm ViT with one logit, chosen by its size: the shape of Community Forensics' public detectors."""

    def __init__(self, model_size: str = "small", input_size: int = 384, patch_size: int = 16, freeze_backbone: bool = False) -> None:
        super().__init__()
        self.frozen = freeze_backbone
        self.vit: Any = timm.create_model(f"vit_{model_size}_patch{patch_size}_{input_size}", num_classes=1)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.vit(inputs)


class Probed(nn.Module, PyTorchModelHubMixin):
    """A timm network without its head below a linear layer: the shape of GenD's public detectors."""

    def __init__(self, backbone: str, num_classes: int = 2) -> None:
        super().__init__()
        extra: dict[str, Any] = {"dynamic_img_size": True} if backbone.startswith("vit_pe") else {}
        inner: Any = timm.create_model(backbone, num_classes=0, **extra)
        self.feature_extractor: Any = nn.Module()
        self.feature_extractor.backbone = inner
        self.model: Any = nn.Module()
        self.model.linear = nn.Linear(int(inner.num_features), num_classes)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.model.linear(self.pooled(inputs))

    def pooled(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.feature_extractor.backbone(inputs)


def mixin(title: str = "one-logit ViT", model_size: str = "small", side_px: int = 384) -> Original:
    """OneLogitViT, with what is known of how its pictures are prepared."""
    crop = CropSettings("none", side_px=side_px, resample="bilinear", short_px=440 if side_px == 384 else 256)
    return Original(
        title, side_px, lambda: OneLogitViT(model_size, side_px), lambda model, folder: model.save_pretrained(folder),
        lambda model, inputs: model.vit.forward_head(model.vit.forward_features(inputs), pre_logits=True),
        lambda model, inputs: model(inputs), {"mean": _IMAGENET[0], "std": _IMAGENET[1], "crop": crop},
    )  # fmt: skip


def probed(title: str, backbone: str, side_px: int) -> Original:
    """Probed, saved with a config that names its model type, and with what is known of its architecture."""

    def save(model: Any, folder: Path) -> None:
        model.save_pretrained(folder)
        config = {"model_type": "GenD", "architectures": ["GenD"], "backbone": backbone, "head": "linear"}
        (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")

    hints: dict[str, Any] = {"architecture": backbone, "mean": (0.5,) * 3, "std": (0.5,) * 3}
    hints["crop"] = {"detector": "mtcnn", "scale": 1.3, "down": 0.0, "side_px": side_px, "resample": "bicubic"}
    if backbone.startswith("vit_pe"):
        hints["model_args"] = {"dynamic_img_size": True}
    asked = (lambda model, inputs: model.pooled(inputs), lambda model, inputs: model(inputs))
    return Original(title, side_px, lambda: Probed(backbone), save, *asked, hints)


def hub(title: str, architecture: str, side_px: int, prefix: str = "", **arguments: Any) -> Original:
    """timm's hub format, with a `prefix` before the tensors' names that timm itself would not put there."""

    def save(model: Any, folder: Path) -> None:
        pretrained = {**model.pretrained_cfg, "input_size": [3, side_px, side_px], "mean": [0.5] * 3, "std": [0.25] * 3, "crop_pct": 1.0}
        timm.models.save_for_hf(
            model, str(folder), model_config={"label_names": ["Real", "Fake"], "pretrained_cfg": pretrained}, safe_serialization=True
        )
        if prefix:
            save_file({prefix + name: tensor.contiguous() for name, tensor in model.state_dict().items()}, folder / "model.safetensors")
        path = folder / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "model_args": arguments}, default=list), encoding="utf-8")

    return Original(
        title, side_px, lambda: timm.create_model(architecture, num_classes=2, **arguments), save,
        lambda model, inputs: model.forward_head(model.forward_features(inputs), pre_logits=True), lambda model, inputs: model(inputs),
    )  # fmt: skip


def of_real_sizes(large: bool) -> Iterator[Original]:
    """One of every format at the size that public detectors have; `large` adds one of 316 million parameters."""
    yield vit("ViT-B/16 224", 224)
    yield swin("Swin-B 224", 224, embed_dim=128, depths=[2, 2, 18, 2], num_heads=[4, 8, 16, 32])
    yield swin("SwinV2-T w16 256", 256, second=True, window_size=16)
    yield swin("SwinV2-B w16 256, learnt at w12", 256, True, embed_dim=128, depths=[2, 2, 18, 2], num_heads=[4, 8, 16, 32],
               window_size=16, pretrained_window_sizes=[12, 12, 12, 6])  # fmt: skip
    yield siglip("SigLIP2-B/16 224")
    yield mixin("one-logit ViT-S/16 384")
    yield hub("ResNet-50", "resnet50", 224)
    yield hub("ConvNeXt-T with a prefix", "convnext_tiny", 224, prefix="model.")
    yield hub("DINOv2-S/14 with registers", "vit_small_patch14_reg4_dinov2", 224, img_size=224)
    yield hub("DINOv3-S/16", "vit_small_patch16_dinov3", 224)
    yield hub("Xception", "legacy_xception", 299)
    yield hub("EfficientNet-B4", "efficientnet_b4", 320)
    yield probed("PE-Core-B/16 with a linear head", "vit_pe_core_base_patch16_224", 224)
    if large:
        yield probed("PE-Core-L/14 with a linear head", "vit_pe_core_large_patch14_336", 224)
