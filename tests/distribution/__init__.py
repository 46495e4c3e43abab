"""The library on several devices: one process with eight CPU devices runs the checks, and each is a test here."""
