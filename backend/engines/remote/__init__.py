"""Services of others, asked over HTTP only where the operator has a key for them and a request names them."""
