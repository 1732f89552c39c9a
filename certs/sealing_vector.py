"""The stored message that every start must be able to open; the key is public."""

from base64 import b64decode
from typing import Final

MESSAGE_ID: Final = "21cb7ddffe8c129952c96dd57db7e18f"
PLAINTEXT: Final = b"sekisho"
PRIVATE_KEY: Final = b64decode(
    "RVwLJfwvhPymtvsBleHliUZu//nmAUFRb8WRX1Z8fqpyVBJD1Fio/6f6LJDkge5zXZHuPqF80Fya+qkeSIEFzU4I"
    "NvPOl6J83XwFpnxdDQJfwYgGFWieI7/RIP94tN5p"
)
ENC: Final = b64decode(
    "cDivMyGR7J/VZs0wzPlKq03TkYZbzqLMNEU2IlPMmYh2KCssnt3zvvxJbgf3Jpv4ED/r+rc5/OiNvGbitsxEJRVf"
    "UvfHGTEt7m3B+GwibxnI7pvVUXGzQRyMV6yUB7XewlYmc1T28uz1vX5jSfk9ozZoNoDVq21O96hNVFM76G1tqxuG"
    "9rX5CT8M163Qbo+hIirf14FWTO7PkrMdocn5WQPsrQdvFLLPY8Ijyx8uxfC7AE+WdDoCHb0ExuyHw1KEY6tsU7mQ"
    "APWZoNKcyQ7l+5keHZJkn6Z/nHPscQbLVdlp4LPYmcyAgeny27u/rnIrBZW7Nl0bP9scmwg6A0S3uDAfE+Q+sZj5"
    "FoB2GJKqzdIYR8Nq6dnozpD5is7VPFMuJZLUsGUtiAcJFEgbRSie6021WeGqzeWXQnICPqnj2Jw5wber+bPgyLD2"
    "4B3mgxxuAItvNo8bKdyb35ib8UaOm2/q5/Qy9DvfHwY42H4ZB4FAXKN0Ju5wJ2dx9CBtf6iLDNhDd1hdC180aRQo"
    "JgyrLOUb2JEDo5TaYKv2piVWOiiaf2cJuDYh1d/ldLPyLYRrdFdeGNX7OJhqn/sGzWjK2zPZh2EgtVrtYCC08hm4"
    "CjpzwIR7uwrhoVBCKcPO1td1Jb7J+xJyAelHZughXv2EPQVig7Q3S26H4LHqMBS0e0c3+tBykLu4Iqmdea5aRWvS"
    "JoSwp6bNOJtOiosLpitSGFChixidEYiDWKrWSAGDEKmaVUEcbCgOUjO2i6brMazXPyUT5X8VmLwGl5GJWfQpwT9t"
    "mEVwKXqEd+e0G5fhkIgyZS2dAkJnSfjcIJzdHErIFNZ6Uy2icX+MuC0boCXrMDEGWJtbrf/VYRor0qqGNjsnR3ef"
    "rV/+u3GEJFoZiHuPBmNdG2CbDaIbE8hE7r8euygyuhh3MfWASDeMdRVFeLydB/4msPXwGC55N/fCDR5S2pNTA8Zp"
    "jHI9c6v4gY/R2W5DpBqx6C0onWhp89LU1IEo+kRKusniDYjRS5egSjx+ScQgPsW6vXcZDdMdNEMQZTYLUPXyDyyZ"
    "PBTne+iVU63zlX4DZzKFgelNaHsBFSPWe5FMM52rDRqgCE3lMfq3L8ev+CmLr56RTOzyK8u2E47Nnl2psAOUn3/2"
    "JWpAxToMnxEMviLFPV5KOUHdxtFHuonb2cJf4NwjHgQeRnz4rP5J6exWO6Up+kkaqir/otgn25+xo5zpaLbww0zM"
    "DJndJJDzVScSryOG2LWUq5RsXzcFpqnzaegW357YlZ7AQaB74tVxw2IwUVLDbRkdwUmdiowEzgAU4lfHjvnm+yDT"
    "30bxG0hT/Sbpdy4NfdXSS4ImFW3nOCMhbMDQBZv1zHBkYx/Y3S+cWzbxyrXq+wZn7m1oStSP2qQm4UxZN1pNwD+6"
    "9rTrVlUimm1EAN3U7D3RkKmpxN5zJW5N5WcgURhs6jV58peFBegqoVAz5qVS1xIbFoqJHsYwFmirm4wPvgjQb77q"
    "2OaLTNWn84RCzNLaJ2BODZX7wQkWJtFCuqw83fgrNJGNjbGT2PliPOgs5Dr9Kw=="
)
CIPHERTEXT: Final = b64decode("PTLVuvrnxIX+7ELMVar+NjMQysT6n7g=")
