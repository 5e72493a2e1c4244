"""Which ports the external services have."""

HTTP = (80, 8000, 8080, 9080)
TLS = (443, 8443)
DATABASES = (3306, 3307, 5432)
