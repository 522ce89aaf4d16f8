package tail

import "testing"

// TestSchedules replays what TestModel found once.
func TestSchedules(t *testing.T) {
	for name, steps := range map[string][]step{
		"copy without what was written after it":   {{opWrite, 35, 161}, {opCopytruncate, 14, 221}},
		"copy in a reused inode":                   {{opRotate, 63, 230}, {opWrite, 23, 207}, {opScan, 0, 155}, {opDeleteRotated, 61, 150}, {opHangUp, 47, 184}, {opLong, 17, 30}, {opStop, 42, 209}, {opCopytruncate, 14, 221}},
		"unfinished head written over":             {{opCrash, 57, 168}, {opPartial, 33, 204}, {opStart, 5, 224}, {opTruncate, 11, 99}, {opWrite, 0, 19}, {opPartial, 11, 189}},
		"copy of a file that is gone, unread":      {{opWrite, 18, 128}, {opShip, 54, 215}, {opCopytruncate, 32, 175}, {opDelete, 1, 253}, {opCrash, 4, 181}},
		"size of the log that was written over it": {{opWrite, 59, 75}, {opCopytruncate, 62, 193}, {opWrite, 61, 173}, {opShip, 35, 0}},
		"copy made long ago of an empty file":      {{opWrite, 13, 81}, {opCopytruncate, 56, 185}, {opWait, 57, 194}},
		"loss of a copy that went away":            {{opWrite, 51, 190}, {opCopytruncate, 15, 86}, {opAck, 3, 79}, {opShip, 22, 33}, {opSave, 50, 17}, {opCrash, 9, 179}, {opDeleteRotated, 55, 170}, {opRotate, 19, 228}},
		"link younger than the positions":          {{opRotate, 33, 163}, {opLate, 11, 89}, {opScan, 46, 215}, {opCrash, 8, 148}, {opDeleteRotated, 58, 69}},
		"link of what was written over":            {{opWrite, 24, 4}, {opShip, 20, 97}, {opTruncate, 32, 124}, {opWrite, 12, 223}, {opRotate, 24, 191}, {opStop, 62, 195}, {opStart, 43, 125}, {opCrash, 4, 37}, {opDeleteRotated, 28, 197}},
		"joint found in a renamed file":            {{opMode, 2, 0}, {opPartial, 9, 203}, {opRotate, 34, 206}, {opWrite, 51, 185}, {opScan, 24, 50}, {opShip, 10, 17}, {opShip, 56, 50}, {opStop, 50, 98}, {opRotate, 18, 160}},
		"joint sent before it was stored":          {{opMode, 3, 0}, {opPartial, 59, 243}, {opDelete, 16, 196}, {opWrite, 45, 84}, {opScan, 63, 92}, {opShip, 58, 95}, {opShip, 44, 201}, {opAck, 44, 155}, {opCrash, 0, 138}},
		"guard across a joint":                     {{opMode, 3, 0}, {opPartial, 47, 239}, {opRotate, 40, 59}, {opScan, 6, 0}, {opWrite, 9, 171}, {opShip, 44, 220}, {opShip, 11, 213}, {opAck, 37, 16}, {opStop, 52, 165}},
		"archive in a reused inode":                {{opLong, 1, 149}, {opShip, 10, 208}, {opRotate, 33, 242}, {opCompress, 27, 252}, {opCrash, 50, 201}, {opCompress, 56, 53}},
		"compressed while it was held open":        {{opRotate, 36, 234}, {opLate, 62, 176}, {opCompress, 44, 37}},
		"old archive of a file that is missed":     {{opWrite, 14, 10}, {opRotate, 41, 188}, {opCompress, 51, 21}, {opScan, 9, 213}, {opStop, 18, 76}},
		"compressed copy without its end":          {{opWrite, 12, 157}, {opCopytruncate, 63, 27}, {opAck, 48, 122}, {opCompress, 55, 55}},
	} {
		t.Run(name, func(t *testing.T) {
			if failed := play(steps); failed != "" {
				t.Error(failed)
			}
		})
	}
}
