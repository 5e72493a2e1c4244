"""What the commands of egressctl share."""
