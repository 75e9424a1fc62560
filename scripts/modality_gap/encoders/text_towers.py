"""The part of a model of the library transformers that reads text.

It is the whole model, or the encoder of an encoder and decoder, or the text tower of a model of
several modalities (CLIP, SigLIP, BLIP).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

# Configurations of text towers that were saved alone end with this.
TOWER_ALONE = "_text_model"
# Keys of weights that are not used for sentences.
ELSEWHERE = ("decoder.", "vision_model.", "audio_model.", "visual_", "audio_", "logit_")


@dataclass(frozen=True)
class TextTower:
    """The part of a model that reads text.

    `read(ids, mask)` returns the states of the tokens (b, t, d) and the model's own vector (b, d);
    each is None if the model does not have it. `joint` is true if other modalities are compared
    with the model's own vector. `whole_length` is true if sentences are padded to the full length,
    as they were in training.
    """

    model: Any
    read: Callable[["torch.Tensor", "torch.Tensor"], tuple[Any, Any]]
    config: Any
    joint: bool
    rows: int | None
    missing: tuple[str, ...] = ()
    whole_length: bool = False


def load_text_tower(name: str, config: Any, tokenizer: Any, seed: int | None, there: dict) -> Any:
    """The text tower of a model. Its weights are those of its files, or random if there is a
    `seed`.

    Raises ValueError for a model of several modalities that does not embed sentences.
    """
    import torch
    import transformers

    kind: Any = transformers.AutoModel
    alone = config.model_type.endswith(TOWER_ALONE)
    if alone and config.architectures:  # with its projection or without
        kind = getattr(transformers, config.architectures[0], kind)
    loaded: dict = {}
    if seed is not None:
        torch.manual_seed(seed)
        maker = kind.from_config if kind is transformers.AutoModel else kind
        model = maker(config)
    else:
        model, loaded = kind.from_pretrained(
            name, config=config, use_safetensors=True, output_loading_info=True, **there
        )
    missing = loaded.get("missing_keys", ())
    if hasattr(model, "encoder") and hasattr(model, "decoder"):
        missing = [key for key in missing if not key.startswith(ELSEWHERE)]
        model = model.get_encoder()
        return _tower(model, model, config, False, missing, tokenizer)
    joint = hasattr(config, "text_config")
    if joint:
        if not hasattr(model, "get_text_features"):
            raise ValueError(f"{config.model_type} models do not embed sentences")
        missing = [key for key in missing if not key.startswith(ELSEWHERE)]
        return _tower(model, model.get_text_features, config.text_config, True, missing, tokenizer)
    return _tower(model, model, config, alone, missing, tokenizer)


def _tower(
    model: Any, forward: Callable, config: Any, joint: bool, missing: Any, tokenizer: Any
) -> TextTower:
    # A tokenizer whose model takes no mask: the padding is read like words, as in training.
    masked = not joint or "attention_mask" in tokenizer.model_input_names

    def read(ids: "torch.Tensor", mask: "torch.Tensor") -> tuple[Any, Any]:
        out = forward(input_ids=ids, **({"attention_mask": mask.long()} if masked else {}))
        if not hasattr(out, "keys"):  # a model that returns only its vector
            return None, out
        # A projection's vector comes first: it is what other modalities are compared with.
        own = out.get("text_embeds", out.get("pooler_output"))
        return out.get("last_hidden_state"), own

    return TextTower(model, read, config, joint, _rows(model), tuple(missing), not masked)


def _rows(model: Any) -> int | None:
    """The number of word vectors; None if it is not known."""
    parts: tuple[Any, ...] = (model, getattr(model, "text_model", None))
    for part in parts:
        try:
            return part.get_input_embeddings().num_embeddings
        except (AttributeError, NotImplementedError):
            continue
    return None
