"""Remote services, asked over HTTP only where the operator has set their key and a request names them."""
