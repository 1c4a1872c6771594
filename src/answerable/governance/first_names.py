"""Common first names of many languages, and those of them that are as often another word."""

from typing import Final

from answerable.governance.scanning import words

FIRST_NAMES: Final = words(
    """
    Aaron Abdul Abigail Adam Adrian Agnieszka Ahmed Aisha Alan Albert Alberto Alejandra Alejandro
    Aleksandra Alessandra Alessandro Alexander Alexandra Alexandre Alexis Alfred Ali Alice Alicia Alison
    Allison Amanda Amber Amelia Amina Amir Amit Amy Ana Anastasia Anders Andre Andrea Andreas Andrew
    Andrzej Andy Angela Angelika Anita Anja Anjali Ann Anna Anne Annette Annie Anthony Antoine Anton
    Antonella Antonio Arjun Arthur Asha Ashley Astrid Audrey Barbara Barbora Bartosz Beate Beatrice
    Beatriz Benjamin Bernard Bernd Beth Betty Beverly Birgit Bjorn Björn Bob Boris Brandon Brenda Brian
    Bruce Bruno Bryan Caleb Cameron Camila Camille Carla Carlos Carmen Carol Caroline Carolyn Catherine
    Cathy Cecilia Charles Charlotte Cheryl Chiara Chloe Chloé Chris Christa Christian Christiane
    Christina Christine Christoph Christophe Christopher Cindy Claire Clara Claudia Claudio Claus Colin
    Connor Craig Cristina Cynthia Daniel Daniela Danielle Danny Dave David Deborah Debra Deepak Denise
    Dennis Diana Diane Diego Dieter Dimitri Dmitri Dominik Dominique Donald Donna Dorothy Doug Douglas
    Dylan Eduardo Edward Edwin Eileen Elena Eleanor Elias Elisa Elisabeth Elizabeth Ella Ellen Elsa Emil
    Emilia Emily Emma Enrique Eric Erica Erik Erika Erin Ernst Ethan Eugene Eva Evelyn Fabian Fabio
    Fatima Federico Felicia Felipe Felix Fernanda Fernando Filip Fiona Florian Frances Francesca
    Francesco Francis Francisco Francois François Frank Franz Fred Frederic Frederik Fritz Gabriel
    Gabriela Gabriele Gary Geoffrey Georg George Gerald Gerard Gerhard Giovanni Giulia Giuseppe Gloria
    Gonzalo Gordon Greg Gregory Guillaume Gunter Gustav Günter Hannah Hanna Hans Harold Harry Hassan
    Heather Heidi Heike Heinrich Heinz Helen Helena Helga Helmut Henri Henrik Henry Herbert Hiroshi
    Holger Hugo Ian Ibrahim Igor Ines Ingrid Irene Irina Isaac Isabel Isabella Isabelle Ivan Ivana Jacek
    Jackie Jacob Jacqueline Jacques Jakob Jakub James Jamie Jan Jana Jane Janet Janice Jason Javier Jean
    Jeff Jeffrey Jennifer Jenny Jeremy Jerry Jesper Jesse Jessica Jesus Jill Jim Jimmy Joan Joanna Joao
    João Joe Joel Johan Johann Johanna Johannes John Johnny Jonas Jonathan Jorge Jose José Josef Joseph
    Joshua Juan Juana Judith Judy Julia Julian Juliana Julie Julien Juliette Jürgen Justin Kamila Karen
    Karim Karin Karl Karolina Katarzyna Kate Katharina Katherine Kathleen Kathryn Kathy Katie Katja
    Katrin Kavita Keith Kelly Kenneth Kenji Kerstin Kevin Khalid Kim Kimberly Klaus Kristen Kristin
    Kristina Kurt Kyle Larry Lars Laura Lauren Laurent Leila Lena Leon Leonardo Leslie Liam Lina Linda
    Lindsay Lisa Logan Lorenzo Louis Louise Luca Lucas Lucia Lucie Lucy Luis Luisa Lukas Łukasz Lydia
    Lynn Madison Magdalena Mahmoud Manfred Manuel Manuela Marcel Marcela Marcin Marco Marcos Marcus
    Margaret Maria Mariana Marie Marija Marilyn Marina Mario Marisa Marko Markus Marlene Marta Martha
    Martin Martina Marvin Mary Maryam Mateusz Mats Matteo Matthew Matthias Maureen Maurice Mauricio Max
    Maximilian Megan Mehmet Mei Melanie Melissa Mette Mia Michael Michal Michał Michel Michele Michelle
    Miguel Mika Mike Mikhail Milan Milena Milos Miriam Mohamed Mohammad Mohammed Monica Monika Monique
    Morgan Moritz Muhammad Mustafa Nadia Nadine Nancy Natalia Natalie Natasha Nathan Nathalie Nicholas
    Nick Nicola Nicolas Nicole Niels Nikita Nikolai Nils Nina Noah Noel Nora Norma Olaf Ole Oleg Olga
    Oliver Olivia Oliwia Omar Oscar Oskar Otto Pablo Pamela Paola Paolo Patricia Patrick Patrik Paul
    Paula Pauline Pavel Pawel Paweł Pedro Per Peter Petr Petra Philip Philipp Philippe Phillip Pierre
    Piotr Priya Rachel Radek Rafael Rahul Raj Rajesh Ralf Ralph Ramon Randy Raphael Raquel Raul Ravi
    Raymond Rebecca Regina Renate René Ricardo Richard Rita Robert Roberta Roberto Robin Rodrigo Roger
    Roland Rolf Roman Ronald Rosa Rosemary Roy Ruben Rudolf Russell Ruth Ryan Sabine Sabrina Saeed Sally
    Salma Samantha Samuel Sandra Sanjay Santiago Sara Sarah Scott Sean Sebastian Sergei Sergey Sergio
    Seth Shane Shannon Sharon Shaun Sheila Shirley Silke Silvia Simon Simone Sofia Sonia Sonja Sophia
    Sophie Stacy Stanislav Stefan Stefanie Stella Stephan Stephanie Stephen Steve Steven Stuart Sunil
    Susan Susana Susanne Suzanne Svetlana Sven Sylvia Sylvie Tamara Tania Tanja Tanya Tara Tatiana Ted
    Teresa Terry Theodore Theresa Thomas Thorsten Tiffany Tim Timothy Tina Tobias Todd Tom Tomas Tomáš
    Tomasz Tommy Toni Tony Torsten Tracy Travis Tyler Udo Ulrich Ulrike Ursula Uta Uwe Valentina Valeria
    Valerie Vanessa Vera Veronica Victor Victoria Vijay Viktor Vincent Vladimir Volker Walter Wanda Wei
    Wendy Werner Wilhelm William Wojciech Wolfgang Xavier Yan Yasmin Yuki Yusuf Yvonne Zachary Zoe Zoë
    Zofia Zsófia
    """
)
# Alone they are no name, only before a surname: Mark Twain, but not Mark the box.
ALSO_WORDS: Final = words(
    """
    Amber Ali Angela Art Ashley Austin Beth Brandon Bob Bruce Cameron Carol Charlotte Christian Craig
    Dale Dave Diana Douglas Elsa Eva Eugene Faith Felix Florian Francis Frank Gabriele George Georgia
    Gloria Gordon Grace Harry Hope Jack Jackson Jan Jean Jesus Jesse Jordan Joy Justin Kelly Kim Kyle
    Lance Leslie Logan Louis Lynn Madison Marina Mario Mark Max Mei Mercedes Mia Milan Morgan Nick Noel
    Norma Olive Otto Paris Pat Per Ray Robin Roman Rosa Rose Roy Russell Ryan Santiago Scott Sebastian
    Shannon Sierra Simon Sofia Sophia Stella Summer Sydney Ted Terry Tim Tony Travis Tyler Uta Vera
    Victor Victoria Vincent Violet Virginia Wei Will Yan Florence Chelsea Dallas Denver Houston Jamie
    Jackie
    """
)
