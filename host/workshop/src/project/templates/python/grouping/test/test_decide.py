import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "src"))

from decide import email_of  # noqa: E402


class Decide(unittest.TestCase):
    def test_one_for_each_sender(self):
        self.assertEqual(email_of("U1", "Ann", False, {}), ("U1", "Ann"))
        self.assertEqual(email_of("B1", "Build", True, {})[0], "B1")
        self.assertEqual(email_of("B1", "Build", True, {"bots": "together"})[0], "bots")


if __name__ == "__main__":
    unittest.main()
