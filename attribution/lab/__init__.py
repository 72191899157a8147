"""The training side: data sets, forgeries, losses, training, evaluation, publishing. It imports the product, never the reverse."""
