"""Figure 3(e-g): the loss of a few pairs on a sphere."""

import numpy as np
import pandas as pd

from modality_gap.measures.losses import symmetric_loss


def sphere_points(theta_deg: np.ndarray, phi_deg: np.ndarray) -> np.ndarray:
    """Unit vectors (n, 3) at polar angle theta and azimuth phi. Source: Figure 3(f)."""
    theta, phi = np.radians(theta_deg), np.radians(phi_deg)
    return np.stack(
        [np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta)], axis=-1
    )


def sphere_losses(
    spacing_deg: float, mismatched: bool, temperatures: list[float], delta_theta_deg: np.ndarray
) -> pd.DataFrame:
    """The loss of six pairs on the sphere. Images are on the equator at phi = -1..4 spacings. Texts
    are at the same phi, moved by delta_theta along the meridian. If `mismatched`, the first two
    texts are exchanged.

    Columns: temperature, delta_theta_deg, loss. Source: Figure 3(g), Supplementary 9.
    """
    phi = np.arange(-1, 5) * spacing_deg
    text_phi = phi[[1, 0, 2, 3, 4, 5]] if mismatched else phi
    images = sphere_points(np.full(6, 90.0), phi)
    rows = []
    for delta_theta in delta_theta_deg:
        texts = sphere_points(np.full(6, 90.0 + delta_theta), text_phi)
        similarity = images @ texts.T
        for temperature in temperatures:
            rows.append(
                {
                    "temperature": temperature,
                    "delta_theta_deg": delta_theta,
                    "loss": symmetric_loss(similarity, temperature),
                }
            )
    return pd.DataFrame(rows).sort_values(["temperature", "delta_theta_deg"], ignore_index=True)


def sphere_table(settings: dict) -> pd.DataFrame:
    """sphere.csv: `sphere_losses` for every spacing and temperature of `sphere` in the config, with
    mismatched and with matched pairs. delta_theta goes from one pole to the other in steps of a
    degree."""
    delta_theta_deg = np.arange(90, -91, -1)
    tables = []
    for spacing in settings["spacings_deg"]:
        for mismatched in (True, False):
            table = sphere_losses(spacing, mismatched, settings["temperatures"], delta_theta_deg)
            table.insert(0, "mismatched", mismatched)
            table.insert(0, "spacing_deg", spacing)
            tables.append(table)
    return pd.concat(tables)
