"""The public door: notifications in, one confirmed message per tenant and POST out; and the subscription registrar.

Start reading at `webhook.py` (the route of one POST) or `registrar.py`. Nothing here reads or writes a contact.
"""
