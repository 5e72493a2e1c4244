"""The commands of egressctl, one file per group."""
