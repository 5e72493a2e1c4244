"""What is below the methods: connections, calls, pages, watches, errors and results."""
