"""How the system is: does it live, and who works?"""
