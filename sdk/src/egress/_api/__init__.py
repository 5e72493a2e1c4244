"""The methods of the clients, one file per resource; those that follow from the contract are generated."""
