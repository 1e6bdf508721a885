"""Measurements of the engine's parts: plain functions that return figures and print nothing.

`ringzero bench` calls them once; ``profiling/bench_*.py`` repeat them and keep a record. Each
refuses a debug build, whose figures mean nothing.
"""

from trainer.bench.caching import CacheFigures, cache
from trainer.bench.common import machine, network_config, refuse_debug_build
from trainer.bench.everything import PARTS, measure_all
from trainer.bench.network import NetFigures, net
from trainer.bench.planning import PlanFigures, PlanRow, plan
from trainer.bench.search import PlayoutFigures, TreeFigures, playouts, tree
from trainer.bench.selfplay import PipelineFigures, pipeline
from trainer.bench.transport import RingFigures, ring

__all__ = [
    "PARTS",
    "CacheFigures",
    "NetFigures",
    "PipelineFigures",
    "PlanFigures",
    "PlanRow",
    "PlayoutFigures",
    "RingFigures",
    "TreeFigures",
    "cache",
    "machine",
    "measure_all",
    "net",
    "network_config",
    "pipeline",
    "plan",
    "playouts",
    "refuse_debug_build",
    "ring",
    "tree",
]
