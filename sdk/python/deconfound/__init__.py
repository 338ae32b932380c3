"""The plugin contract of deconfound in Python.

A plugin is a script that the host starts::

    import deconfound

    class Mean(deconfound.Backbone):
        info = deconfound.Info(name="mean", version="0.1.0", licence="Apache-2.0")
        ...

    deconfound.serve(Mean)

`Backbone` is a fusion model on numpy arrays, `Strategy` a debiasing strategy, and
`Sampler` chooses the configurations of a search, and
`deconfound.torch` wraps a ``torch.nn.Module``, with gradients, optimiser and
snapshots done. Importing this package has an effect only in a process that a host
started as a plugin: from then on standard output leads to standard error, so that
what other packages print cannot reach the handshake.
"""

from deconfound import process as _process

_process.prepare()

from deconfound.backbone import Backbone, Batch, Config, Modality, Optimizer, Task  # noqa: E402
from deconfound.errors import Error  # noqa: E402
from deconfound.features import Erasure, Scaling, Store  # noqa: E402
from deconfound.info import Bool, Capabilities, Float, Hyperparameter, Info, Int, String  # noqa: E402
from deconfound.sampler import Dimension, Proposal, Sampler, Trial  # noqa: E402
from deconfound.server import serve  # noqa: E402
from deconfound.strategy import Held, Objective, Observation, Strategy, Training  # noqa: E402

__version__ = "0.1.0"

__all__ = [
    "Backbone", "Batch", "Bool", "Capabilities", "Config", "Dimension", "Erasure", "Error", "Float", "Held",
    "Hyperparameter", "Info", "Int", "Modality", "Objective", "Observation", "Optimizer", "Proposal", "Sampler",
    "Scaling", "Store", "Strategy", "String", "Task", "Training", "Trial", "serve",
]
