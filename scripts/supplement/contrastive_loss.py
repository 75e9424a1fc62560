# Contrastive loss of n pairs: runnable code, and the code that the authors released for Figure 3.
import numpy as np


def contrastive_loss(images, texts, encode_image, encode_text, project, temperature):
    x = normalise(encode_image(images) @ project["image"])  # (n, d), of unit length
    y = normalise(encode_text(texts) @ project["text"])  # pair i: x[i] and y[i]
    logits = x @ y.T / temperature  # (n, n), cosine of image i and text j
    to_text = cross_entropy(logits)  # image i finds text i among n texts
    to_image = cross_entropy(logits.T)  # text i finds image i among n images
    return (to_text + to_image) / 2


def normalise(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def cross_entropy(logits):  # the right answer of row i is column i
    logits = logits - logits.max(axis=1, keepdims=True)  # exp stays finite
    return np.mean(np.log(np.exp(logits).sum(axis=1)) - np.diag(logits))


# --- the loss of Figure 3 as released


def loss_as_released(x, y, temperature):
    image_logits = x @ y.T / temperature
    text_logits = image_logits.T
    to_text = cross_entropy(image_logits)
    to_image = cross_entropy(text_logits.T)  # transposed twice
    return (to_text + to_image) / 2  # is to_text: no text looks for its image
