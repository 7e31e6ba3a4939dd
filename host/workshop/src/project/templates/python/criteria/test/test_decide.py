import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "src"))

from decide import keeps, problems  # noqa: E402


class Decide(unittest.TestCase):
    def test_bots_are_left_out(self):
        self.assertTrue(keeps("U1", False, {}))
        self.assertFalse(keeps("B1", True, {}))
        self.assertTrue(keeps("B1", True, {"but": ["B1"]}))
        self.assertTrue(keeps(None, False, {}))

    def test_an_id_has_a_letter(self):
        self.assertEqual(problems({"but": ["B1"]}), [])
        self.assertEqual(problems({"but": ["B1", ""]})[0][0], "/but/1")


if __name__ == "__main__":
    unittest.main()
