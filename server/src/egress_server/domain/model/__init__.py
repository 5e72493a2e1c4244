"""Resources and their names, changes, errors, findings, lists, and the reported state of clusters."""
