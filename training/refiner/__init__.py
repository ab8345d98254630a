"""The training of the learned refiner: `python -m training.refiner --help`."""
