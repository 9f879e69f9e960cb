"""Who makes a request: a token or a key becomes a `Principal`, or the request is refused.

`authenticator` is the way in; `checks` and `local_secrets` prepare the settings for it; `keys` is the file of stored
keys, which needs nothing but the standard library.
"""
