"""Look for secrets, for licences that oblige, and for known vulnerabilities."""
