"""The reference pages of the documentation, generated from the code whenever the site is built."""
