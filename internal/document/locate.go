package document

import "slices"

// Locate returns problems that others found in the set's documents as one error,
// each with the file and line where its object was read: nothing for one that is
// stored. It is nil when there are none.
func (s *Set) Locate(problems []Problem) error {
	if len(problems) == 0 {
		return nil
	}
	located := slices.Clone(problems)
	objects := map[string][]int{}
	for i, p := range located {
		objects[p.Object] = append(objects[p.Object], i)
	}
	for _, doc := range s.docs {
		for _, i := range objects[doc.ID.String()] {
			located[i].File, located[i].Line = doc.File, doc.Line
		}
	}
	return Problems(located).err()
}
