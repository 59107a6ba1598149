package cli

import "strings"

// nearest returns the one of names that a misspelt name most probably means, or "" if none is near.
func nearest(name string, names []string) string {
	best, least := "", max(1, min(3, len(name)/3))+1
	for _, n := range names {
		if d := distance(normal(name), normal(n)); d < least {
			best, least = n, d
		}
	}
	return best
}

// normal makes names equal that differ only in what is easily confused.
func normal(name string) string { return strings.ReplaceAll(strings.ToLower(name), "-", "_") }

// distance counts the edits that turn a into b: a letter put in, left out, changed, or swapped with the next.
func distance(a, b string) int {
	before, last, row := []int(nil), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, make([]int, len(b)+1)
	}
	return last[len(b)]
}

// didYouMean is the end of an error about an unknown name.
func didYouMean(name string) string {
	if name == "" {
		return ""
	}
	return "; did you mean " + name + "?"
}
