"""The quantities of "Mind the Gap" (Liang et al., NeurIPS 2022) as pure, tested functions.

No function here knows a path of the workflow or the `snakemake` object: the scripts beside this
package read files, call these functions and write files.
"""

__version__ = "0.1.0"
